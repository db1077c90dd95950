"""LangGraph routes: assistants, one a served graph."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.service.access import Viewer
from api.service.service import Served
from api.service.wire import assistant_view, json_response, page_headers, selected
from graph.engine.registry import Compiled, declared
from graph.engine.requests import Wire

router = APIRouter(tags=["assistants"], prefix="/assistants")


class AssistantSearch(Wire):
    """Which assistants to list."""

    metadata: dict[str, Any] = {}
    graph_id: str | None = None
    name: str | None = None
    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0)
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] = "asc"
    select: list[str] | None = None


def _found(service: Served, asked: AssistantSearch) -> list[dict[str, Any]]:
    views = [assistant_view(service, g) for g in service.engine.registry.graphs.values()]
    found = [
        v
        for v in views
        if asked.graph_id in (None, v["graph_id"])
        and (asked.name is None or asked.name.lower() in v["name"].lower())
        and asked.metadata.items() <= v["metadata"].items()
    ]
    key = asked.sort_by or "name"
    return sorted(found, key=lambda v: str(v[key]), reverse=asked.sort_order == "desc")


@router.post("/search")
async def search_assistants(service: Served, caller: Viewer, asked: AssistantSearch) -> Response:
    """List assistants."""
    found = _found(service, asked)
    page = found[asked.offset : asked.offset + asked.limit]
    headers = page_headers(len(found), asked.offset, len(page))
    return json_response(selected(page, asked.select), headers)


@router.post("/count")
async def count_assistants(service: Served, caller: Viewer, asked: AssistantSearch) -> int:
    """Count assistants."""
    return len(_found(service, asked))


@router.post("/{assistant_id}/versions")
async def list_versions(service: Served, caller: Viewer, assistant_id: str) -> list[dict[str, Any]]:
    """Return the versions of an assistant: the one that is served."""
    return [assistant_view(service, service.engine.registry.find(assistant_id))]


@router.get("/{assistant_id}")
async def get_assistant(service: Served, caller: Viewer, assistant_id: str) -> dict[str, Any]:
    """Return an assistant by its id or its graph's name."""
    return assistant_view(service, service.engine.registry.find(assistant_id))


@router.get("/{assistant_id}/graph")
async def get_graph(
    service: Served,
    caller: Viewer,
    assistant_id: str,
    xray: Annotated[bool | int, Query()] = False,
) -> Response:
    """Return nodes and edges, with those of subgraphs when `xray` says so."""
    graph = service.engine.registry.find(assistant_id).graph
    drawn = await graph.aget_graph(xray=xray)
    return json_response(drawn.to_json())


@router.get("/{assistant_id}/schemas")
async def get_schemas(service: Served, caller: Viewer, assistant_id: str) -> dict[str, Any]:
    """Return JSON Schemas of what the graph takes, keeps and gives."""
    served = service.engine.registry.find(assistant_id)
    takes, context = served.takes()
    state = declared(served.graph.get_output_jsonschema)
    return {
        "graph_id": served.name,
        "input_schema": takes,
        "output_schema": state,
        "state_schema": state,
        "config_schema": {},
        "context_schema": context,
    }


@router.get("/{assistant_id}/subgraphs")
async def get_subgraphs(
    service: Served, caller: Viewer, assistant_id: str, recurse: bool = False
) -> dict[str, Any]:
    """Return the subgraphs' schemas by namespace."""
    return await _subgraphs(service.engine.registry.find(assistant_id).graph, None, recurse)


@router.get("/{assistant_id}/subgraphs/{namespace}")
async def get_subgraph(
    service: Served, caller: Viewer, assistant_id: str, namespace: str, recurse: bool = False
) -> dict[str, Any]:
    """Return one subgraph's schemas."""
    return await _subgraphs(service.engine.registry.find(assistant_id).graph, namespace, recurse)


async def _subgraphs(graph: Compiled, namespace: str | None, recurse: bool) -> dict[str, Any]:
    return {
        name: {
            "input_schema": declared(found.get_input_jsonschema),
            "output_schema": declared(found.get_output_jsonschema),
            "state_schema": declared(found.get_output_jsonschema),
        }
        async for name, found in graph.aget_subgraphs(namespace=namespace, recurse=recurse)
    }
