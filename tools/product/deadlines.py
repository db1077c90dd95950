"""Queries that are stopped at their time, all by one thread: one for each would slow them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

import duckdb

AGAIN = 0.1
"""Seconds until a query that is still running is stopped anew: it may have been between two
statements."""
LONGEST = 3600.0
"""Seconds of one sleep: a wait can't be endless in a number."""


class Leave(threading.Event):
    """Set when nobody waits for an answer any more; its query is then stopped at once."""

    tell: Callable[[], None] = staticmethod(lambda: None)

    def set(self) -> None:
        """Say so, also to whoever stops the query."""
        super().set()
        self.tell()


@dataclass
class _Running:
    con: duckdb.DuckDBPyConnection
    due: float
    left: Leave | None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def unwanted(self) -> bool:
        return self.left is not None and self.left.is_set()


class Deadlines:
    """Interrupts what runs past its time; its thread sleeps as long as nothing is due."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[int, _Running] = {}
        self._wakes = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @contextmanager
    def stopped_after(
        self, seconds: float, con: duckdb.DuckDBPyConnection, left: Leave | None = None
    ) -> Iterator[threading.Event]:
        """Interrupt what `con` runs when its time is over or `left` is set; yields whether it was.

        A connection that is closed after the block is never interrupted.
        """
        if left is not None:
            left.tell = self._look
        running = _Running(con, monotonic() + seconds, left)
        with self._changed:
            self._running[id(running)] = running
            # Nearly always one is due before it, so nobody has to be woken.
            if running.due < self._wakes or running.unwanted:
                self._changed.notify()
        try:
            yield running.stopped
        finally:
            with self._changed:
                del self._running[id(running)]

    def _look(self) -> None:
        with self._changed:
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                self._stop_due(monotonic())
                self._wakes = min((r.due for r in self._running.values()), default=float("inf"))
                self._changed.wait(min(max(0.0, self._wakes - monotonic()), LONGEST))

    def _stop_due(self, now: float) -> None:
        for running in self._running.values():
            if running.due > now and not running.unwanted:
                continue
            running.stopped.set()
            running.due = now + AGAIN
            # A database that ended has nothing to stop.
            with suppress(duckdb.Error):
                running.con.interrupt()
