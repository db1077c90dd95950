"""LangGraph routes: runs, in a thread or without one."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Query
from starlette.responses import Response

from api.service.access import Caller, Operator, Viewer
from api.service.service import Served, Service
from api.service.streams import Awaited, locations, run_stream
from api.service.submitting import submit
from api.service.wire import json_response, run_view, selected, visible
from graph.engine.engine import RunEnded
from graph.engine.errors import ThreadBusy
from graph.engine.following import cursor_of
from graph.engine.records import OPEN, RunStatus
from graph.engine.requests import Mode, RunRequest, Wire
from graph.errors import UnknownThread

router = APIRouter(tags=["runs"])
Action = Literal["interrupt", "rollback"]
Modes = Annotated[
    list[Mode | Literal[""]] | None, Query(description="Empty means those of the run.")
]
LastEventId = Annotated[str | None, Header()]


async def _stream(
    service: Service, caller: Caller, thread_id: str | None, asked: RunRequest
) -> Response:
    run = await submit(service, caller, thread_id, asked)
    return run_stream(
        service.engine, caller, run, cancel_on_disconnect=asked.on_disconnect == "cancel"
    )


async def _wait(
    service: Service, caller: Caller, thread_id: str | None, asked: RunRequest
) -> Response:
    run = await submit(service, caller, thread_id, asked)
    return Awaited(
        service.engine, caller, run, cancel_on_disconnect=asked.on_disconnect == "cancel"
    )


@router.post("/threads/{thread_id}/runs")
async def create_run(
    service: Served, caller: Operator, thread_id: str, asked: RunRequest
) -> Response:
    """Queue a run and return it at once."""
    run = await submit(service, caller, thread_id, asked)
    return json_response(
        run_view(run), {"content-location": locations(run, "")["content-location"]}
    )


@router.post("/runs")
async def create_stateless_run(service: Served, caller: Operator, asked: RunRequest) -> Response:
    """Queue a run in a thread of its own, deleted a while after it has ended."""
    run = await submit(service, caller, None, asked)
    return json_response(
        run_view(run), {"content-location": locations(run, "")["content-location"]}
    )


@router.post("/runs/batch")
async def create_runs(
    service: Served,
    caller: Operator,
    asked: Annotated[list[RunRequest], Body(min_length=1, max_length=100)],
) -> Response:
    """Queue runs in threads of their own, in their order; the first refusal ends it."""
    runs = [await submit(service, caller, None, each) for each in asked]
    return json_response([run_view(run) for run in runs])


@router.post("/threads/{thread_id}/runs/stream")
async def stream_run(
    service: Served, caller: Operator, thread_id: str, asked: RunRequest
) -> Response:
    """Queue a run and stream its events."""
    return await _stream(service, caller, thread_id, asked)


@router.post("/runs/stream")
async def stream_stateless_run(service: Served, caller: Operator, asked: RunRequest) -> Response:
    """Queue a run in a thread of its own and stream its events."""
    return await _stream(service, caller, None, asked)


@router.post("/threads/{thread_id}/runs/wait")
async def wait_run(
    service: Served, caller: Operator, thread_id: str, asked: RunRequest
) -> Response:
    """Queue a run and return its last values, with what it asks."""
    return await _wait(service, caller, thread_id, asked)


@router.post("/runs/wait")
async def wait_stateless_run(service: Served, caller: Operator, asked: RunRequest) -> Response:
    """Queue a run in a thread of its own and return its last values."""
    return await _wait(service, caller, None, asked)


@router.get("/threads/{thread_id}/runs")
async def list_runs(
    service: Served,
    caller: Viewer,
    thread_id: str,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    offset: Annotated[int, Query(ge=0)] = 0,
    status: RunStatus | None = None,
    select: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """List a thread's runs, newest first."""
    visible(service, caller, thread_id)
    found = service.engine.records.runs_of(thread_id, status)
    return json_response(selected(map(run_view, found[offset : offset + limit]), select))


@router.get("/threads/{thread_id}/runs/{run_id}")
async def get_run(service: Served, caller: Viewer, thread_id: str, run_id: str) -> Response:
    """Return a run."""
    visible(service, caller, thread_id)
    return json_response(run_view(service.engine.records.run_row(run_id, thread_id)))


@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204)
async def delete_run(service: Served, caller: Operator, thread_id: str, run_id: str) -> Response:
    """Forget a run that has ended, with its events."""
    visible(service, caller, thread_id, "operator")
    run = service.engine.records.run_row(run_id, thread_id)
    if not run.ended:
        raise ThreadBusy(thread_id)
    service.engine.records.remove_run(run)
    return Response(status_code=204)


@router.get("/threads/{thread_id}/runs/{run_id}/join")
async def join_run(service: Served, caller: Viewer, thread_id: str, run_id: str) -> Response:
    """Wait for a run and return its last values."""
    visible(service, caller, thread_id)
    run = service.engine.records.run_row(run_id, thread_id)
    return Awaited(service.engine, caller, run)


@router.get("/threads/{thread_id}/runs/{run_id}/stream")
async def join_run_stream(
    service: Served,
    caller: Viewer,
    thread_id: str,
    run_id: str,
    stream_mode: Modes = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream a run from its beginning, or from after `Last-Event-ID`; any mode that was written."""
    visible(service, caller, thread_id, "operator" if cancel_on_disconnect else "viewer")
    run = service.engine.records.run_row(run_id, thread_id)
    after = cursor_of(service.engine, run, last_event_id)
    return run_stream(
        service.engine, caller, run, after=after, modes=[m for m in stream_mode or () if m],
        cancel_on_disconnect=cancel_on_disconnect,
    )  # fmt: skip


@router.get("/runs/{run_id}/stream")
async def join_stateless_run_stream(
    service: Served,
    caller: Viewer,
    run_id: str,
    stream_mode: Modes = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream a run whose thread the caller does not know."""
    thread_id = service.engine.records.run_row(run_id).thread_id
    return await join_run_stream(
        service, caller, thread_id, run_id, stream_mode, cancel_on_disconnect, last_event_id
    )


@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel_run(
    service: Served,
    caller: Operator,
    thread_id: str,
    run_id: str,
    wait: bool = False,
    action: Action = "interrupt",
) -> Response:
    """End a run; `rollback` also forgets it and what it did to its thread."""
    visible(service, caller, thread_id, "operator")
    run = service.engine.records.run_row(run_id, thread_id)
    await service.engine.cancel(run, action)
    headers = locations(run, "join") if wait and action == "interrupt" else None
    return Response(status_code=204, headers=headers)


class CancelMany(Wire):
    """Which runs to end."""

    thread_id: str | None = None
    run_ids: list[str] | None = None
    status: Literal["pending", "running", "all"] | None = None


@router.post("/runs/cancel", status_code=204)
async def cancel_runs(
    service: Served, caller: Operator, asked: CancelMany, action: Action = "interrupt"
) -> Response:
    """End several runs: those named, or all of a status that the caller may end."""
    wanted: tuple[Any, ...] = OPEN if asked.status in (None, "all") else (asked.status,)
    for run in service.engine.records.open_runs(asked.thread_id):
        named = asked.run_ids is None or run.run_id in asked.run_ids
        # Some end by themselves meanwhile, or go with their thread.
        with suppress(RunEnded, UnknownThread):
            thread = service.engine.records.thread_row(run.thread_id)
            if named and run.status in wanted and caller.sees("operator", thread.metadata):
                await service.engine.cancel(run, action)
    return Response(status_code=204)
