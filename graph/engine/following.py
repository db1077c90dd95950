"""Readers of the event log: from any number on, to the end of a run, across restarts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from graph.engine.engine import Engine
from graph.engine.event_log import Event
from graph.engine.plain import decode
from graph.engine.records import RunRow, UnknownRun

HEARTBEAT_SECONDS = 15.0


def cursor_of(engine: Engine, run: RunRow, last_event_id: str | None) -> int:
    """Return the number after which a reader goes on; what was never sent means the beginning."""
    first, last = engine.records.span(run.run_id)
    wanted = number_in(last_event_id)
    return wanted if wanted is not None and first <= wanted <= last else 0


def number_in(last_event_id: str | None) -> int | None:
    """Return the number that a reader names; None without one, or for what is none of ours."""
    found = re.fullmatch(r"[0-9]{1,18}", last_event_id or "")
    return int(found[0]) if found else None


def known_cursor(engine: Engine, thread_id: str, since: int | None) -> int:
    """Return the number after which a reader of a thread goes on; 0 when it never was sent."""
    return since if since is not None and since <= engine.records.latest(thread_id) else 0


async def follow(engine: Engine, run: RunRow, after: int = 0) -> AsyncIterator[Event | None]:
    """Yield a run's events until it has ended and all are read; None is a sign of life.

    It also ends when the service stops: who wants the rest asks again.
    """
    records = engine.records
    with records.listening(run.thread_id) as flag:
        while True:
            flag.clear()
            try:
                ended = records.has_ended(run.run_id)
            except UnknownRun:
                return
            found = records.events(run.thread_id, after, run.run_id)
            for event in found:
                yield event
            if found:
                after = found[-1].seq
            elif ended or engine.closed:
                return
            elif not await _set(flag):
                yield None


async def follow_thread(
    engine: Engine, thread_id: str, after: int = 0
) -> AsyncIterator[Event | None]:
    """Yield the events of all runs of a thread, those to come included, until it is deleted."""
    records = engine.records
    with records.listening(thread_id) as flag:
        while not engine.closed:
            flag.clear()
            found = records.events(thread_id, after)
            for event in found:
                yield event
            if found:
                after = found[-1].seq
                continue
            if not records.has_thread(thread_id):
                return
            if not await _set(flag):
                yield None


async def _set(flag: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            await flag.wait()
    except TimeoutError:
        return False
    return True


async def ended(engine: Engine, run: RunRow) -> RunRow | None:
    """Wait until a run has ended; None when the service stops before, or the run was deleted."""
    records = engine.records
    with records.listening(run.thread_id) as flag:
        while True:
            flag.clear()
            try:
                over = records.has_ended(run.run_id)
            except UnknownRun:
                return None
            if over or engine.closed:
                return records.run_row(run.run_id) if over else None
            await _set(flag)


def result_of(engine: Engine, run: RunRow) -> Any:
    """Return what a run ended with: its last values with what it asks, or its error."""
    if run.error is not None:
        return {"__error__": run.error}
    data = engine.records.last(run.run_id, "values")
    return decode(data) if data is not None else engine.records.thread_row(run.thread_id).values
