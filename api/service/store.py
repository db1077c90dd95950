"""LangGraph routes: the store that graphs and their callers share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api.service.access import Needs
from api.service.service import Served
from api.service.wire import json_response
from graph.engine.errors import InvalidRequest, UnknownItem
from graph.engine.requests import Wire

router = APIRouter(tags=["store"], prefix="/store")
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^.]+$")]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=20)]
Prefix = Annotated[list[Label], Field(max_length=20)]
Key = Annotated[str, Field(min_length=1, max_length=500)]
LARGEST = 2**31
READS = Depends(Needs("viewer", everywhere=True))
WRITES = Depends(Needs("operator", everywhere=True))


class Item(Wire):
    """What to store."""

    namespace: Namespace
    key: Key
    value: dict[str, Any]
    index: Literal[False] | list[str] | None = None
    ttl: Any = None


class ItemName(Wire):
    """Which item."""

    namespace: Namespace
    key: Key


class ItemSearch(Wire):
    """Which items to list."""

    namespace_prefix: Prefix = []
    filter: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")], Any] | None = None
    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=LARGEST)
    query: str | None = None


class NamespaceSearch(Wire):
    """Which namespaces to list."""

    prefix: Prefix | None = None
    suffix: Prefix | None = None
    max_depth: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=LARGEST)


@router.put("/items", status_code=204, dependencies=[WRITES])
async def put_item(service: Served, asked: Item) -> Response:
    """Store a value under a namespace and a key."""
    if asked.ttl is not None:
        raise InvalidRequest("What is stored stays until it is deleted; leave ttl out.")
    if asked.index:
        raise InvalidRequest("This store has no index of meanings; leave index out.")
    try:
        orjson.dumps(asked.value)
    except TypeError as exc:
        raise InvalidRequest("Integers beyond 64 bits are not stored; send text.") from exc
    await service.store.aput(tuple(asked.namespace), asked.key, asked.value)
    return Response(status_code=204)


@router.get("/items", dependencies=[READS])
async def get_item(
    service: Served,
    key: Annotated[str, Query(min_length=1, max_length=500)],
    namespace: Annotated[str, Query(max_length=5000)] = "",
) -> Response:
    """Return a stored value; `namespace` is joined by dots."""
    found = await service.store.aget(tuple(filter(None, namespace.split("."))), key)
    if found is None:
        raise UnknownItem(f"Nothing is stored under {namespace!r}, {key!r}.")
    return json_response(found.dict())


@router.delete("/items", status_code=204, dependencies=[WRITES])
async def delete_item(service: Served, asked: ItemName) -> Response:
    """Remove a stored value."""
    await service.store.adelete(tuple(asked.namespace), asked.key)
    return Response(status_code=204)


@router.post("/items/search", dependencies=[READS])
async def search_items(service: Served, asked: ItemSearch) -> Response:
    """List stored values."""
    if asked.query is not None:
        raise InvalidRequest("This store has no index of meanings; filter instead of query.")
    found = await service.store.asearch(
        tuple(asked.namespace_prefix), filter=asked.filter, limit=asked.limit, offset=asked.offset
    )
    return json_response({"items": [item.dict() for item in found]})


@router.post("/namespaces", dependencies=[READS])
async def list_namespaces(service: Served, asked: NamespaceSearch) -> Response:
    """List namespaces."""
    found = await service.store.alist_namespaces(
        prefix=tuple(asked.prefix) if asked.prefix else None,
        suffix=tuple(asked.suffix) if asked.suffix else None,
        max_depth=asked.max_depth, limit=asked.limit, offset=asked.offset,
    )  # fmt: skip
    return json_response({"namespaces": [list(n) for n in found]})
