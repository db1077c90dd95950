"""Waiting for what happens in a run, told as progress, for as long as a client waits for a call."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from pydantic import Field

from api.ide.calls import Call
from graph.engine.event_log import Event
from graph.engine.plain import decode
from tools.plain_text import plain

WAIT_SECONDS = 45.0
"""Clients give a call a minute unless they are told otherwise."""
OUTCOME_SECONDS = 20.0
"""An approved change is applied and proved in that time, as a rule."""
LOOK_EVERY = 0.5
Seconds = Annotated[
    float, Field(ge=0, le=3600, description="Longest time to wait; the run goes on without you.")
]


def is_busy(call: Call, thread_id: str) -> bool:
    """Return whether something is under way in a run, or about to be."""
    service = call.service
    return service.engine.has_work(thread_id) or thread_id in service.ledger.undelivered()


async def settled(call: Call, thread_id: str, seconds: float, after: int | None = None) -> bool:
    """Wait until nothing is under way in a run; returns False when the time was over before.

    What happens meanwhile, from an event on, is told as progress.
    """
    records, ends = call.service.engine.records, time.monotonic() + seconds
    after = records.latest(thread_id) if after is None else after
    with records.listening(thread_id) as flag:
        while is_busy(call, thread_id):
            flag.clear()
            for event in records.events(thread_id, after):
                after = event.seq
                if words := _words(event):
                    await call.tell(words)
            left = ends - time.monotonic()
            if left <= 0:
                return False
            await _wait(flag, min(left, LOOK_EVERY))
    return True


async def _wait(flag: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await flag.wait()
    except TimeoutError:
        return


def _words(event: Event) -> str:
    """Return an event of a run as a line of progress; empty when it says nothing to people."""
    if event.namespace or event.mode not in ("custom", "updates"):
        return ""
    body = decode(event.data)
    if event.mode == "updates":
        return ", ".join(f"{plain(name)} done" for name in body if not name.startswith("__"))
    done, total = body.get("done"), body.get("total")
    count = f" {done:g} of {total:g}" if done is not None and total else ""
    # It names tables and columns, which come from databases.
    return plain(f"{body.get('node', '')}{count}: {body.get('message', '')}")
