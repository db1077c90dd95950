"""LangGraph routes: what a thread remembers, now and before."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.service.access import Operator, Viewer
from api.service.service import Served, Service
from api.service.wire import checkpoint_view, graph_of, json_response, selected, state_view, visible
from graph.engine.errors import InvalidRequest, ThreadBusy, UnknownCheckpoint
from graph.engine.plain import plain
from graph.engine.records import ThreadRow
from graph.engine.registry import standing_of, thread_config
from graph.engine.requests import Wire

router = APIRouter(tags=["threads"], prefix="/threads/{thread_id}")
FILTERS = ("source", "step")
"""Metadata by which a history may be filtered: names go into langgraph's SQL."""
Select = Annotated[list[str] | None, Query()]


class Checkpoint(Wire):
    """A checkpoint by its names."""

    checkpoint_id: str | None = None
    checkpoint_ns: str = ""


class StateAt(Wire):
    """Which state to return."""

    checkpoint: Checkpoint
    subgraphs: bool = False
    select: list[str] | None = None


class StateUpdate(Wire):
    """What to write into a thread's state, as if a node had returned it."""

    values: Any = None
    as_node: str | None = None
    checkpoint: Checkpoint | None = None
    checkpoint_id: str | None = None


class HistorySearch(Wire):
    """Which states to list."""

    limit: int = Field(default=10, ge=1, le=1000)
    before: Checkpoint | str | None = None
    metadata: dict[str, Any] | None = None
    checkpoint: Checkpoint | None = None
    select: list[str] | None = None


def _config(thread_id: str, checkpoint: Checkpoint | None, checkpoint_id: str | None = None) -> Any:
    named = checkpoint_id or (checkpoint.checkpoint_id if checkpoint else None)
    config = thread_config(thread_id, named)
    if checkpoint is not None and checkpoint.checkpoint_ns:
        config["configurable"]["checkpoint_ns"] = checkpoint.checkpoint_ns
    return config


async def _state(
    service: Service, thread: ThreadRow, config: Any, *, subgraphs: bool, select: list[str] | None
) -> Response:
    served = graph_of(service, thread)
    named = config["configurable"].get("checkpoint_id")
    if served is None:
        if named is not None:
            raise UnknownCheckpoint(named)
        return json_response(_nothing(thread))
    snapshot = await service.reading(served).aget_state(config, subgraphs=subgraphs)
    if named is not None and snapshot.created_at is None:
        raise UnknownCheckpoint(named)
    return json_response(selected([state_view(snapshot)], select)[0])


def _nothing(thread: ThreadRow) -> dict[str, Any]:
    """Return the state of a thread in which nothing has run."""
    checkpoint = checkpoint_view(thread_config(thread.thread_id))
    return {
        "values": {}, "next": [], "tasks": [], "interrupts": [], "metadata": {},
        "created_at": None, "checkpoint": checkpoint, "parent_checkpoint": None,
    }  # fmt: skip


@router.get("/state")
async def get_state(
    service: Served, caller: Viewer, thread_id: str, subgraphs: bool = False, select: Select = None
) -> Response:
    """Return the latest state."""
    thread = visible(service, caller, thread_id)
    config = thread_config(thread_id)
    return await _state(service, thread, config, subgraphs=subgraphs, select=select)


@router.get("/state/{checkpoint_id}")
async def get_state_of(
    service: Served, caller: Viewer, thread_id: str, checkpoint_id: str, subgraphs: bool = False
) -> Response:
    """Return the state at a checkpoint."""
    thread = visible(service, caller, thread_id)
    config = thread_config(thread_id, checkpoint_id)
    return await _state(service, thread, config, subgraphs=subgraphs, select=None)


@router.post("/state/checkpoint")
async def get_state_at(service: Served, caller: Viewer, thread_id: str, asked: StateAt) -> Response:
    """Return the state at a checkpoint, of a subgraph too."""
    thread = visible(service, caller, thread_id)
    config = _config(thread_id, asked.checkpoint)
    return await _state(service, thread, config, subgraphs=asked.subgraphs, select=asked.select)


@router.post("/state")
async def update_state(
    service: Served, caller: Operator, thread_id: str, asked: StateUpdate
) -> Response:
    """Write into a thread's state; the steward graph's is written by decisions only."""
    thread = visible(service, caller, thread_id, "operator")
    served = graph_of(service, thread)
    if served is None:
        raise InvalidRequest("Nothing has run in this thread; name its graph_id or start a run.")
    if not served.forgettable:
        raise InvalidRequest("The state of this graph follows from decisions; answer instead.")
    if service.engine.has_work(thread_id):
        raise ThreadBusy(thread_id)
    config = _config(thread_id, asked.checkpoint, asked.checkpoint_id)
    if asked.as_node is not None and asked.as_node not in {*served.graph.nodes, "__input__"}:
        raise InvalidRequest(f"The graph has no node {asked.as_node!r}.")
    written: Any = await served.graph.aupdate_state(config, asked.values, as_node=asked.as_node)
    standing = standing_of(await served.graph.aget_state(thread_config(thread_id)))
    service.engine.records.settle(thread_id, standing)
    checkpoint = checkpoint_view(written)
    assert checkpoint is not None
    return json_response(
        {
            "checkpoint": checkpoint,
            "configurable": checkpoint,
            "checkpoint_id": checkpoint["checkpoint_id"],
        }
    )


@router.post("/history")
async def get_history(
    service: Served, caller: Viewer, thread_id: str, asked: HistorySearch
) -> Response:
    """Return earlier states, newest first."""
    thread = visible(service, caller, thread_id)
    served = graph_of(service, thread)
    if served is None:
        return json_response([])
    unknown = [key for key in asked.metadata or {} if key not in FILTERS]
    if unknown:
        raise InvalidRequest(f"A history is filtered by {', '.join(FILTERS)}, not {unknown[0]}.")
    before = asked.before
    if isinstance(before, Checkpoint):
        before = before.checkpoint_id
    states = service.reading(served).aget_state_history(
        _config(thread_id, asked.checkpoint),
        filter=asked.metadata,
        before=thread_config(thread_id, before) if before else None,
        limit=asked.limit,
    )
    # All of them before the first is sent: reading holds the saver's lock.
    views = [plain(state_view(state)) async for state in states]
    return json_response(selected(views, asked.select))
