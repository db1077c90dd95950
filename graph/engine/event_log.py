"""The durable event log: every event of every run, numbered by thread before anybody filters it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

from graph.run_store import now
from graph.sqlite_file import SqliteFile

BATCH = 256
BATCH_BYTES = 512 * 1024
_SET_ASIDE = "DROP INDEX events_of_run; ALTER TABLE run_events RENAME TO clustered_events;"
_TAKEN_OVER = "INSERT INTO run_events SELECT * FROM clustered_events; DROP TABLE clustered_events;"
"""Format 2 kept events in the tree of their key, where each took most of a page of its own."""


class Event(NamedTuple):
    """One thing that happened in a run; `seq` counts within the thread, from 1."""

    seq: int
    run_id: str
    mode: str
    namespace: str
    """Path of the subgraph it comes from, parts joined by |; empty for the graph itself."""
    event: str
    data: bytes
    """JSON."""
    at: str
    """When it was written, in ISO 8601."""


class Entry(NamedTuple):
    """An event that has no number yet."""

    mode: str
    event: str
    data: bytes
    namespace: str = ""


class EventLog(SqliteFile):
    """Events by thread and number, and those who wait for the next one."""

    schema = (Path(__file__).parent / "schema.sql").read_text()
    version = 3
    upgrades: ClassVar[Mapping[int, tuple[str, str]]] = {2: (_SET_ASIDE, _TAKEN_OVER)}
    synchronous = "NORMAL"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def append(self, thread_id: str, run_id: str, *entries: Entry) -> None:
        """Write events, then wake those who wait; without the thread nothing is kept."""
        with self._transaction() as con:
            self._append(con, thread_id, run_id, *entries)
        self.wake(thread_id)

    def _append(
        self, con: sqlite3.Connection, thread_id: str, run_id: str, *entries: Entry
    ) -> None:
        row = con.execute(
            "UPDATE threads SET next_seq = next_seq + ? WHERE id = ? RETURNING next_seq",
            (len(entries), thread_id),
        ).fetchone()
        if row is None:
            return
        first, at = row[0] - len(entries) + 1, now().isoformat()
        con.executemany(
            "INSERT INTO run_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (thread_id, first + n, run_id, e.mode, e.namespace, e.event, e.data, at)
                for n, e in enumerate(entries)
            ],
        )

    def events(
        self, thread_id: str, after: int = 0, run_id: str | None = None, limit: int = BATCH
    ) -> list[Event]:
        """Return the next events after a number, of one run or of all, oldest first.

        They are a batch: no more than `limit`, and none after the one that makes them large.
        """
        where, given = "thread_id = ?", thread_id
        if run_id is not None:
            where, given = "run_id = ?", run_id
        found = self._con.execute(
            "SELECT seq, run_id, mode, namespace, event, data, at FROM run_events"  # noqa: S608 - ours
            f" WHERE {where} AND seq > ? ORDER BY seq LIMIT ?",
            (given, after, limit),
        )
        events: list[Event] = []
        size = 0
        # A reader holds one batch: it must not be large because its events are.
        for row in found:
            events.append(Event(*row))
            size += len(events[-1].data)
            if size > BATCH_BYTES:
                break
        found.close()
        return events

    def span(self, run_id: str) -> tuple[int, int]:
        """Return the first and last number of a run's events; (0, 0) without any."""
        row = self._con.execute(
            "SELECT min(seq), max(seq) FROM run_events WHERE run_id = ?", (run_id,)
        ).fetchone()
        return (row[0], row[1]) if row[0] is not None else (0, 0)

    def latest(self, thread_id: str) -> int:
        """Return the number of a thread's latest event; 0 without any."""
        row = self._con.execute(
            "SELECT max(seq) FROM run_events WHERE thread_id = ?", (thread_id,)
        ).fetchone()
        return row[0] or 0

    def last(self, run_id: str, event: str) -> bytes | None:
        """Return the data of a run's latest event of that name."""
        row = self._con.execute(
            "SELECT data FROM run_events WHERE run_id = ? AND event = ? AND namespace = ''"
            " ORDER BY seq DESC LIMIT 1",
            (run_id, event),
        ).fetchone()
        return row[0] if row else None

    def named(self, run_id: str, event: str) -> list[tuple[str, bytes]]:
        """Return namespace and data of all of a run's events of one name, oldest first."""
        found = self._con.execute(
            "SELECT namespace, data FROM run_events WHERE run_id = ? AND event = ? ORDER BY seq",
            (run_id, event),
        )
        return found.fetchall()

    @contextmanager
    def listening(self, thread_id: str) -> Iterator[asyncio.Event]:
        """Lend a flag that is set whenever something happens in the thread."""
        flag = asyncio.Event()
        self._waiting[thread_id].add(flag)
        try:
            yield flag
        finally:
            self._waiting[thread_id].discard(flag)
            if not self._waiting[thread_id]:
                del self._waiting[thread_id]

    def wake(self, thread_id: str | None = None) -> None:
        """Wake those who wait for a thread, or for any."""
        waiting = self._waiting if thread_id is None else [thread_id]
        for name in list(waiting):
            for flag in self._waiting.get(name, ()):
                flag.set()
