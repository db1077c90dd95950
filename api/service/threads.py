"""LangGraph routes: threads and their states."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response

from api.service.access import Caller, Operator, Viewer
from api.service.extracting import extracted, parse_path
from api.service.service import Served
from api.service.streams import ThreadMode, thread_stream
from api.service.wire import checked_id, json_response, page_headers, selected, thread_view, visible
from api.service.wire import graph_of as graph_of_thread
from graph.engine.errors import Conflict, InvalidRequest, ThreadExists
from graph.engine.following import known_cursor, number_in
from graph.engine.records import ThreadStatus
from graph.engine.requests import Wire

router = APIRouter(tags=["threads"], prefix="/threads")
RESERVED = ("product", "created_by")
"""Metadata that says who may see a thread; only the service writes it."""


class ThreadCreate(Wire):
    """A thread to make."""

    thread_id: str | None = None
    metadata: dict[str, Any] = {}
    if_exists: Literal["raise", "do_nothing"] = "raise"
    supersteps: list[Any] | None = None
    ttl: Any = None


class ThreadPatch(Wire):
    """What to merge into a thread."""

    metadata: dict[str, Any] = {}
    ttl: Any = None


class ThreadSearch(Wire):
    """Which threads to list."""

    metadata: dict[str, Any] = {}
    values: dict[str, Any] = {}
    ids: list[str] | None = None
    status: ThreadStatus | None = None
    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0)
    sort_by: Literal["thread_id", "status", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None
    extract: dict[str, str] = Field(default={}, max_length=10)


def _refuse_ttl(ttl: Any) -> None:
    if ttl is not None:
        raise InvalidRequest(
            "A thread has no ttl here: the service forgets after PILLION_SERVICE_RETENTION_DAYS,"
            " and threads.prune when it is called."
        )


def _unreserved(metadata: dict[str, Any], *more: str) -> dict[str, Any]:
    found = [key for key in (*RESERVED, *more) if key in metadata]
    if found:
        raise InvalidRequest(f"metadata.{found[0]} is written by the service.")
    return metadata


@router.post("")
async def create_thread(service: Served, caller: Operator, asked: ThreadCreate) -> Response:
    """Make a thread."""
    _refuse_ttl(asked.ttl)
    if asked.supersteps:
        raise InvalidRequest(
            "A thread is made without a past; write its state with update_state, step by step."
        )
    records = service.engine.records
    thread_id = str(uuid.uuid4()) if asked.thread_id is None else checked_id(asked.thread_id)
    metadata = _unreserved(asked.metadata) | {"created_by": caller.principal.name}
    if "graph_id" in metadata:
        metadata["graph_id"] = service.engine.registry.find(str(metadata["graph_id"])).name
    if not records.add_thread(thread_id, metadata) and asked.if_exists == "raise":
        raise ThreadExists(thread_id)
    return json_response(thread_view(visible(service, caller, thread_id)))


def _found(service: Served, caller: Caller, asked: ThreadSearch) -> list[str]:
    """Return the ids of the threads that are asked for and that the caller may see."""
    records = service.engine.records
    sort = (asked.sort_by or "updated_at", asked.sort_order != "asc")
    found = records.thread_heads(
        metadata=asked.metadata, status=asked.status, ids=asked.ids, sort=sort
    )
    return [
        head.thread_id
        for head in found
        if caller.sees("viewer", head.metadata)
        and (not asked.values or _holds(records.thread_row(head.thread_id).values, asked.values))
    ]


def _holds(values: Any, wanted: dict[str, Any]) -> bool:
    return isinstance(values, dict) and all(values.get(k) == v for k, v in wanted.items())


@router.post("/search")
async def search_threads(service: Served, caller: Viewer, asked: ThreadSearch) -> Response:
    """List threads, those changed last first."""
    paths = {alias: parse_path(text) for alias, text in asked.extract.items()}
    found = _found(service, caller, asked)
    page = found[asked.offset : asked.offset + asked.limit]
    headers = page_headers(len(found), asked.offset, len(page))
    whole = [thread_view(service.engine.records.thread_row(thread_id)) for thread_id in page]
    views = selected(whole, asked.select)
    if paths:
        more = [{"extracted": extracted(view, paths)} for view in whole]
        views = [view | found for view, found in zip(views, more, strict=True)]
    return json_response(views, headers)


@router.post("/count")
async def count_threads(service: Served, caller: Viewer, asked: ThreadSearch) -> int:
    """Count threads."""
    return len(_found(service, caller, asked))


@router.get("/{thread_id}")
async def get_thread(service: Served, caller: Viewer, thread_id: str) -> Response:
    """Return a thread."""
    return json_response(thread_view(visible(service, caller, thread_id)))


@router.patch("/{thread_id}")
async def update_thread(
    service: Served, caller: Operator, thread_id: str, asked: ThreadPatch
) -> Response:
    """Merge metadata into a thread's."""
    visible(service, caller, thread_id, "operator")
    _refuse_ttl(asked.ttl)
    service.engine.records.change_metadata(thread_id, _unreserved(asked.metadata, "graph_id"))
    return json_response(thread_view(visible(service, caller, thread_id)))


@router.delete("/{thread_id}", status_code=204)
async def delete_thread(service: Served, caller: Operator, thread_id: str) -> Response:
    """Delete a thread with its runs, events and checkpoints; what the ledger has stays."""
    thread = visible(service, caller, thread_id, "operator")
    served = graph_of_thread(service, thread)
    if served is not None and not served.forgettable and _unfinished(service, thread_id):
        raise Conflict("The thread works or waits for answers; answer, or let it end, first.")
    if service.ledger.stands_as(thread_id, "running"):
        # Between two tries: nothing of it may go on, also after a restart.
        service.ledger.set_thread(thread_id, "failed")
    await service.engine.forget(thread_id)
    return Response(status_code=204)


def _unfinished(service: Served, thread_id: str) -> bool:
    """Return whether a thread works, waits, or has answers that no run has taken."""
    offers = service.ledger.offers(thread_id=thread_id, waiting=True)
    delivered = thread_id not in service.ledger.undelivered()
    return bool(offers) or not delivered or service.engine.has_work(thread_id)


class ThreadPrune(Wire):
    """Threads to make smaller; others and unknown ones are passed over."""

    thread_ids: list[str] = Field(max_length=1000)
    strategy: Literal["delete", "keep_latest"] = "delete"


@router.post("/prune")
async def prune_threads(service: Served, caller: Operator, asked: ThreadPrune) -> dict[str, int]:
    """Delete threads, or all of them but their latest state; those that work or wait are kept."""
    pruned = 0
    for thread in service.engine.records.find_threads(ids=asked.thread_ids):
        works = service.ledger.stands_as(thread.thread_id, "running")
        kept = works or _unfinished(service, thread.thread_id) or thread.status == "interrupted"
        if kept or not caller.sees("operator", thread.metadata):
            continue
        if asked.strategy == "keep_latest":
            pruned += await service.engine.keep_latest(thread.thread_id)
        else:
            await service.engine.forget(thread.thread_id)
            pruned += 1
    return {"pruned_count": pruned}


@router.post("/{thread_id}/copy")
async def copy_thread(service: Served, caller: Operator, thread_id: str) -> Response:
    """Make a thread that remembers what another one does; its runs and events are not copied."""
    thread = visible(service, caller, thread_id, "operator")
    served = graph_of_thread(service, thread)
    if served is not None and not served.forgettable:
        raise InvalidRequest("The threads of this graph belong to the ledger; start a new run.")
    copied = await service.engine.copy(thread_id, {"created_by": caller.principal.name})
    return json_response(thread_view(visible(service, caller, copied)))


@router.get("/{thread_id}/stream")
async def join_thread(
    service: Served,
    caller: Viewer,
    thread_id: str,
    stream_mode: Annotated[list[ThreadMode] | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Stream what happens in all runs of a thread, from now or from a number on."""
    visible(service, caller, thread_id)
    if last_event_id is None:
        after = service.engine.records.latest(thread_id)
    else:
        after = known_cursor(service.engine, thread_id, number_in(last_event_id))
    return thread_stream(service.engine, caller, thread_id, after, stream_mode or ["run_modes"])
