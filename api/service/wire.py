"""The shapes of threads, runs and states that LangGraph clients know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from langgraph.types import StateSnapshot
from starlette.responses import Response

from api.service.access import Caller, forbidden
from api.service.keys import Role
from api.service.service import Service
from graph.engine.errors import InvalidRequest
from graph.engine.plain import encode, error_name, shown_metadata
from graph.engine.records import RunRow, ThreadRow
from graph.engine.registry import ServedGraph, assistant_id
from graph.engine.requests import RunRequest
from graph.errors import UnknownThread

ASKED = {"input", "command", "config", "context", "stream_mode"}


def json_response(body: Any, headers: dict[str, str] | None = None) -> Response:
    """Return whatever a graph holds as JSON."""
    return Response(encode(body), media_type="application/json", headers=headers)


def page_headers(total: int, offset: int, count: int) -> dict[str, str]:
    """Return how many there are, and where the next page begins if there is one."""
    headers = {"x-pagination-total": str(total)}
    if offset + count < total:
        headers["x-pagination-next"] = str(offset + count)
    return headers


def selected(views: Iterable[dict[str, Any]], select: list[str] | None) -> list[dict[str, Any]]:
    """Return only the members that were asked for."""
    if select is None:
        return list(views)
    return [{k: v for k, v in view.items() if k in select} for view in views]


def checked_id(thread_id: str) -> str:
    """Return a thread's id that a caller chose; it names files, so it is plain."""
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", thread_id):
        raise InvalidRequest("A thread_id is 1 to 128 letters, digits, dots, colons, - and _.")
    return thread_id


def visible(service: Service, caller: Caller, thread_id: str, role: Role = "viewer") -> ThreadRow:
    """Return a thread the caller may see; one it may not see is as good as none."""
    thread = service.engine.records.thread_row(thread_id)
    if not caller.sees("viewer", thread.metadata):
        raise UnknownThread(thread_id)
    if not caller.sees(role, thread.metadata):
        raise forbidden(role, str(thread.metadata.get("product", "this thread")))
    return thread


def graph_of(service: Service, thread: ThreadRow) -> ServedGraph | None:
    """Return the graph of a thread; None when nothing has run in it."""
    name = thread.metadata.get("graph_id")
    return service.engine.registry.find(name) if name is not None else None


def thread_view(thread: ThreadRow) -> dict[str, Any]:
    """Return a thread."""
    return {
        "thread_id": thread.thread_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "state_updated_at": thread.updated_at,
        "metadata": thread.metadata,
        "status": thread.status,
        "values": thread.values,
        "interrupts": thread.interrupts,
        "error": thread.error,
        "config": {},
    }


def run_view(run: RunRow) -> dict[str, Any]:
    """Return a run; what it was asked is in `kwargs`."""
    asked: RunRequest = run.request
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": assistant_id(run.graph),
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "status": run.status,
        "metadata": asked.metadata,
        "kwargs": asked.model_dump(
            include={"input", "command", "config", "context", "stream_mode"}
        ),
        "multitask_strategy": asked.multitask_strategy,
        "attempt": run.attempt,
        "error": run.error,
    }


def assistant_view(service: Service, served: ServedGraph) -> dict[str, Any]:
    """Return the one assistant of a graph."""
    return {
        "assistant_id": assistant_id(served.name),
        "graph_id": served.name,
        "name": served.name,
        "description": served.description,
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "version": 1,
        "created_at": service.started_at,
        "updated_at": service.started_at,
    }


def checkpoint_view(config: Any) -> dict[str, Any] | None:
    """Return the checkpoint that a configuration names."""
    inner = (config or {}).get("configurable", {})
    if not inner.get("thread_id"):
        return None
    return {
        "thread_id": inner["thread_id"],
        "checkpoint_ns": inner.get("checkpoint_ns", ""),
        "checkpoint_id": inner.get("checkpoint_id"),
        "checkpoint_map": None,
    }


def state_view(snapshot: StateSnapshot) -> dict[str, Any]:
    """Return a thread's state, with what waits in it."""
    return {
        "values": snapshot.values,
        "next": list(snapshot.next),
        "tasks": [_task_view(t) for t in snapshot.tasks],
        "interrupts": list(snapshot.interrupts),
        "metadata": shown_metadata(snapshot.metadata),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint_view(snapshot.config),
        "parent_checkpoint": checkpoint_view(snapshot.parent_config),
    }


def _task_view(task: Any) -> dict[str, Any]:
    nested = isinstance(task.state, StateSnapshot)
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": error_name(task.error),
        "interrupts": list(task.interrupts),
        "checkpoint": None if nested else checkpoint_view(task.state),
        "state": state_view(task.state) if nested else None,
        "result": task.result,
    }
