"""Server-sent events from the log, and answers that are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from graph.engine.engine import Engine, RunEnded
from graph.engine.event_log import Event
from graph.engine.following import ended, follow, follow_thread, result_of
from graph.engine.plain import encode
from graph.engine.records import RunRow
from graph.engine.requests import Mode

ALIVE = b": alive\n\n"
END = b"event: end\ndata: null\n\n"
TOLD = ("metadata", "error")
"""Events that every reader gets."""
CHECK_SECONDS = 1.0


def frame(event: Event) -> bytes:
    """Return an event as it goes over the wire; its number is its id."""
    name = f"{event.event}|{event.namespace}" if event.namespace else event.event
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, name.encode(), event.data)


def locations(run: RunRow, then: str) -> dict[str, str]:
    """Return where a run is, and where a reader that was cut off goes on."""
    where = f"/threads/{run.thread_id}/runs/{run.run_id}"
    return {"content-location": where, "location": f"{where}/{then}"}


def run_stream(
    engine: Engine,
    run: RunRow,
    *,
    after: int = 0,
    modes: Collection[Mode] | None = None,
    cancel_on_disconnect: bool = False,
) -> StreamingResponse:
    """Stream a run in some modes, by default in those it was started with."""
    wanted = {*TOLD, *(modes or run.request.stream_mode)}

    async def frames() -> AsyncIterator[bytes]:
        complete = False
        try:
            async for event in follow(engine, run, after):
                if event is None:
                    yield ALIVE
                elif event.mode in wanted and (run.request.stream_subgraphs or not event.namespace):
                    yield frame(event)
            complete = True
            if not _goes_on(engine, run):
                yield END
        finally:
            if cancel_on_disconnect and not complete:
                _leave(engine, run)

    return StreamingResponse(
        frames(), media_type="text/event-stream", headers=locations(run, "stream")
    )


def _goes_on(engine: Engine, run: RunRow) -> bool:
    """Return whether a run stopped with the service and goes on with it."""
    return engine.closed and any(r.run_id == run.run_id for r in engine.records.open_runs())


_leaving: set[asyncio.Task[None]] = set()


def _leave(engine: Engine, run: RunRow) -> None:
    """Cancel a run whose reader left, in a task of its own: the reader's is being cancelled."""

    async def cancel() -> None:
        try:
            await engine.cancel(run)
        except RunEnded:
            return

    task = asyncio.create_task(cancel())
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)


def thread_stream(engine: Engine, thread_id: str, after: int) -> StreamingResponse:
    """Stream all runs of a thread, in all modes, without an end."""

    async def frames() -> AsyncIterator[bytes]:
        async for event in follow_thread(engine, thread_id, after):
            yield ALIVE if event is None else frame(event)

    return StreamingResponse(frames(), media_type="text/event-stream")


class Awaited(Response):
    """A run's result as JSON, sent when it is there; until then blanks show that it is awaited.

    When the service stops first, the answer is cut off: clients go on at `Location`.
    """

    media_type = "application/json"

    def __init__(self, engine: Engine, run: RunRow, *, cancel_on_disconnect: bool = False) -> None:
        super().__init__(headers=locations(run, "join"))
        del self.headers["content-length"]
        self._engine, self._run = engine, run
        self._cancel = cancel_on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what becomes of the run."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        waiting = asyncio.create_task(ended(self._engine, self._run))
        gone = asyncio.create_task(_gone(receive))
        try:
            while not waiting.done():
                await asyncio.wait(
                    {waiting, gone}, timeout=CHECK_SECONDS, return_when="FIRST_COMPLETED"
                )
                if gone.done():
                    if self._cancel:
                        _leave(self._engine, self._run)
                    return
                if not waiting.done():
                    await send({"type": "http.response.body", "body": b" ", "more_body": True})
            row = waiting.result()
            if row is not None:
                body = encode(result_of(self._engine, row))
                await send({"type": "http.response.body", "body": body, "more_body": False})
        finally:
            waiting.cancel()
            gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
