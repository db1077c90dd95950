"""LangGraph routes: what a thread remembers, now and before."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from langgraph.errors import InvalidUpdateError
from langgraph.types import StateSnapshot
from pydantic import Field
from starlette.responses import Response

from api.service.access import Operator, Viewer
from api.service.service import Served, Service
from api.service.wire import checkpoint_view, graph_of, json_response, selected, state_view, visible
from graph.checkpoints import build_serializer
from graph.engine.errors import InvalidRequest, UnknownCheckpoint
from graph.engine.records import ThreadRow
from graph.engine.registry import ServedGraph, standing_of, thread_config
from graph.engine.requests import Wire

router = APIRouter(tags=["threads"], prefix="/threads/{thread_id}")
FILTERS = ("source", "step")
"""Metadata by which a history may be filtered: names go into langgraph's SQL."""
UNFIT = (
    InvalidUpdateError, TypeError, ValueError, LookupError, AttributeError, NotImplementedError,
)  # fmt: skip
"""What a graph's own reducers make of values that are not theirs."""
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


def _config(thread_id: str, namespace: str, checkpoint_id: str | None) -> Any:
    config = thread_config(thread_id, checkpoint_id)
    if namespace:
        config["configurable"]["checkpoint_ns"] = namespace
    return config


class UnknownNamespace(InvalidRequest):
    """No subgraph of the thread's graph has a state there."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"No subgraph of this thread has a state at {namespace!r}.")


async def snapshot_of(
    service: Service,
    thread: ThreadRow,
    namespace: str = "",
    checkpoint_id: str | None = None,
    *,
    subgraphs: bool = False,
) -> StateSnapshot | None:
    """Return a state of a thread; None when nothing has run in it.

    Raises `UnknownCheckpoint`, and `UnknownNamespace`.
    """
    served = graph_of(service, thread)
    if served is None:
        if checkpoint_id is not None:
            raise UnknownCheckpoint(checkpoint_id)
        return None
    config = _config(thread.thread_id, namespace, checkpoint_id)
    found = await service.reading(served).aget_state(config, subgraphs=subgraphs)
    if found.created_at is None and checkpoint_id is not None:
        raise UnknownCheckpoint(checkpoint_id)
    if found.created_at is None and namespace:
        raise UnknownNamespace(namespace)
    return found


async def history_of(
    service: Service,
    thread: ThreadRow,
    place: Checkpoint,
    *,
    limit: int,
    before: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> list[StateSnapshot]:
    """Return a thread's earlier states, newest first."""
    served = graph_of(service, thread)
    if served is None:
        return []
    states = service.reading(served).aget_state_history(
        _config(thread.thread_id, place.checkpoint_ns, place.checkpoint_id),
        filter=metadata,
        before=thread_config(thread.thread_id, before) if before else None,
        limit=limit,
    )
    # All of them before the first is sent: reading holds the saver's lock.
    return [state async for state in states]


def _state(thread: ThreadRow, snapshot: StateSnapshot | None, select: list[str] | None) -> Response:
    view = _nothing(thread) if snapshot is None else state_view(snapshot)
    return json_response(selected([view], select)[0])


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
    return _state(thread, await snapshot_of(service, thread, subgraphs=subgraphs), select)


@router.get("/state/{checkpoint_id}")
async def get_state_of(
    service: Served, caller: Viewer, thread_id: str, checkpoint_id: str, subgraphs: bool = False
) -> Response:
    """Return the state at a checkpoint."""
    thread = visible(service, caller, thread_id)
    found = await snapshot_of(service, thread, "", checkpoint_id, subgraphs=subgraphs)
    return _state(thread, found, None)


@router.post("/state/checkpoint")
async def get_state_at(service: Served, caller: Viewer, thread_id: str, asked: StateAt) -> Response:
    """Return the state at a checkpoint, of a subgraph too."""
    thread = visible(service, caller, thread_id)
    place, named = asked.checkpoint.checkpoint_ns, asked.checkpoint.checkpoint_id
    found = await snapshot_of(service, thread, place, named, subgraphs=asked.subgraphs)
    return _state(thread, found, asked.select)


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
    async with service.engine.still(thread_id):
        checkpoint = await _written(service, served, thread, asked)
    return json_response(
        {
            "checkpoint": checkpoint,
            "configurable": checkpoint,
            "checkpoint_id": checkpoint["checkpoint_id"],
        }
    )


async def _written(
    service: Service, served: ServedGraph, thread: ThreadRow, asked: StateUpdate
) -> dict[str, Any]:
    """Write a state and return its checkpoint; the thread stands still."""
    thread_id = thread.thread_id
    at = asked.checkpoint or Checkpoint()
    config = _config(thread_id, at.checkpoint_ns, asked.checkpoint_id or at.checkpoint_id)
    if asked.as_node is not None and asked.as_node not in {*served.graph.nodes, "__input__"}:
        raise InvalidRequest(f"The graph has no node {asked.as_node!r}.")
    if at.checkpoint_ns:
        await snapshot_of(service, thread, at.checkpoint_ns)
    try:
        build_serializer().dumps_typed(asked.values)
    except TypeError as exc:
        raise InvalidRequest(
            "The values hold what no state keeps, such as integers beyond 64 bits; send text."
        ) from exc
    try:
        written: Any = await served.graph.aupdate_state(config, asked.values, as_node=asked.as_node)
    except UNFIT as exc:
        why = str(exc).partition("\n")[0][:200] if isinstance(exc, InvalidUpdateError) else ""
        raise InvalidRequest(
            f"The graph does not take these values into its state: {why or type(exc).__name__}."
        ) from exc
    standing = standing_of(await served.graph.aget_state(thread_config(thread_id)))
    service.engine.records.settle(thread_id, standing)
    checkpoint = checkpoint_view(written)
    assert checkpoint is not None
    return checkpoint


@router.post("/history")
async def get_history(
    service: Served, caller: Viewer, thread_id: str, asked: HistorySearch
) -> Response:
    """Return earlier states, newest first."""
    thread = visible(service, caller, thread_id)
    metadata = asked.metadata or {}
    unknown = [key for key in metadata if key not in FILTERS]
    if unknown:
        raise InvalidRequest(f"A history is filtered by {', '.join(FILTERS)}, not {unknown[0]}.")
    if any(isinstance(value, int) and abs(value) >= 2**63 for value in metadata.values()):
        raise InvalidRequest("No step has a number beyond 64 bits.")
    before = asked.before
    if isinstance(before, Checkpoint):
        before = before.checkpoint_id
    place = asked.checkpoint or Checkpoint()
    states = await history_of(
        service, thread, place, limit=asked.limit, before=before, metadata=metadata
    )
    return json_response(selected(map(state_view, states), asked.select))
