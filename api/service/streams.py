"""Server-sent events from the log, and answers that are waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing
from typing import Literal, get_args

from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.service.access import Caller
from graph.engine.engine import Engine, RunEnded
from graph.engine.event_log import Event
from graph.engine.following import ended, follow, follow_thread, known_cursor, result_of
from graph.engine.plain import encode
from graph.engine.protocol import Subscription, told
from graph.engine.records import RunRow
from graph.engine.requests import Mode

ThreadMode = Literal["run_modes", "lifecycle", "state_update"]
ALIVE = b": alive\n\n"
END = b"event: end\ndata: null\n\n"
TOLD = ("metadata", "error")
"""Events that every reader gets."""
FOLLOWED: Mapping[ThreadMode, Collection[str]] = {
    "run_modes": (*TOLD, *get_args(Mode)),
    "lifecycle": (*TOLD, "lifecycle"),
    "state_update": (*TOLD, "values"),
}
"""What of a thread's events who follows it may want."""
CHECK_SECONDS = 1.0


def frame(event: Event) -> bytes:
    """Return an event as it goes over the wire; its number is its id."""
    name = f"{event.event}|{event.namespace}" if event.namespace else event.event
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, name.encode(), event.data)


def locations(run: RunRow, then: str) -> dict[str, str]:
    """Return where a run is, and where a reader that was cut off goes on."""
    where = f"/threads/{run.thread_id}/runs/{run.run_id}"
    return {"content-location": where, "location": f"{where}/{then}"}


async def while_good(frames: AsyncGenerator[bytes], caller: Caller) -> AsyncIterator[bytes]:
    """Pass frames on until the caller's key or token ends; looked at once in `CHECK_SECONDS`."""
    looked = time.monotonic()
    async with aclosing(frames):
        async for one in frames:
            if time.monotonic() - looked >= CHECK_SECONDS:
                looked = time.monotonic()
                if not caller.still():
                    return
            yield one


def run_stream(
    engine: Engine,
    caller: Caller,
    run: RunRow,
    *,
    after: int = 0,
    modes: Collection[Mode] | None = None,
    cancel_on_disconnect: bool = False,
) -> StreamingResponse:
    """Stream a run in some modes, by default in those it was started with."""
    wanted = {*TOLD, *(modes or run.request.stream_mode)}

    async def frames() -> AsyncGenerator[bytes]:
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
        while_good(frames(), caller),
        media_type="text/event-stream",
        headers=locations(run, "stream"),
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


def thread_stream(
    engine: Engine, caller: Caller, thread_id: str, after: int, modes: Collection[ThreadMode]
) -> StreamingResponse:
    """Stream all runs of a thread, without an end."""
    wanted = {mode for each in modes for mode in FOLLOWED[each]}

    async def frames() -> AsyncGenerator[bytes]:
        async for event in follow_thread(engine, thread_id, after):
            if event is None:
                yield ALIVE
            elif event.mode in wanted:
                yield frame(event)

    return StreamingResponse(while_good(frames(), caller), media_type="text/event-stream")


class EventStream(StreamingResponse):
    """A thread's events for a subscription, until the reader leaves or the thread is deleted.

    When the service stops, the answer is cut off, so that clients come back for the rest.
    """

    def __init__(
        self, engine: Engine, caller: Caller, thread_id: str, wanted: Subscription
    ) -> None:
        self._engine = engine
        super().__init__(
            while_good(self._frames(thread_id, wanted), caller),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def _frames(self, thread_id: str, wanted: Subscription) -> AsyncGenerator[bytes]:
        # A comment first: what is sent through a proxy begins at once.
        yield ALIVE
        after = known_cursor(self._engine, thread_id, wanted.since)
        async for event in follow_thread(self._engine, thread_id, after):
            if event is None:
                yield ALIVE
            elif (one := told(event)) is not None and wanted.wants(one):
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (
                    one.seq, one.method.encode(), one.envelope()
                )  # fmt: skip

    async def stream_response(self, send: Send) -> None:
        """Send what there is; only a deleted thread's stream has an end."""

        async def unended(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if not (last and self._engine.closed):
                await send(message)

        await super().stream_response(unended)


class Awaited(Response):
    """A run's result as JSON, sent when it is there; until then blanks show that it is awaited.

    When the service stops first, or the caller's key or token ends, the answer is cut off:
    clients go on at `Location`.
    """

    media_type = "application/json"

    def __init__(
        self, engine: Engine, caller: Caller, run: RunRow, *, cancel_on_disconnect: bool = False
    ) -> None:
        super().__init__(headers=locations(run, "join"))
        del self.headers["content-length"]
        self._engine, self._caller, self._run = engine, caller, run
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
                if not self._caller.still():
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
