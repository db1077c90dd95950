"""Threads and runs as callers know them, beside the event log in one file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from graph.engine.event_log import Entry, EventLog
from graph.engine.lifecycle import answered, ending, lifecycle
from graph.engine.plain import decode, encode
from graph.engine.requests import RunRequest
from graph.errors import UnknownThread
from graph.run_store import now

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
RunStatus = Literal["pending", "running", "success", "error", "timeout", "interrupted"]
OPEN = ("pending", "running")
SORTS = ("thread_id", "status", "created_at", "updated_at")


class ThreadRow(NamedTuple):
    """A thread; its state is that of the end of its last run."""

    thread_id: str
    status: ThreadStatus
    metadata: dict[str, Any]
    values: Any
    interrupts: dict[str, list[dict[str, Any]]]
    error: dict[str, Any] | None
    temporary: bool
    created_at: str
    updated_at: str


class ThreadHead(NamedTuple):
    """A thread without its state."""

    thread_id: str
    metadata: dict[str, Any]


class RunRow(NamedTuple):
    """A run and where it stands."""

    run_id: str
    thread_id: str
    graph: str
    status: RunStatus
    request: RunRequest
    attempt: int
    base: str | None
    """The thread's checkpoint before the run."""
    error: dict[str, Any] | None
    due_at: datetime
    created_at: str
    updated_at: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.status not in OPEN


class Retry(NamedTuple):
    """When the next try is, and how many seconds after the last one."""

    next_at: datetime
    waited: float


class Standing(NamedTuple):
    """How a thread stands when nothing runs in it."""

    status: ThreadStatus
    values: Any = None
    interrupts: Mapping[str, Sequence[Any]] = {}
    error: Mapping[str, Any] | None = None


IDLE = Standing("idle")


class UnknownRun(UnknownThread):
    """No run has that id, in that thread."""


_THREAD = "id, status, metadata, state, interrupts, error, temporary, created_at, updated_at"
_RUN = "id, thread_id, graph, status, request, attempt, base, error, due_at, created_at, updated_at"


def _thread(row: Sequence[Any]) -> ThreadRow:
    return ThreadRow(
        row[0], row[1], decode(row[2]), decode(row[3]) if row[3] else None, decode(row[4]),
        decode(row[5]) if row[5] else None, bool(row[6]), row[7], row[8],
    )  # fmt: skip


def _run(row: Sequence[Any]) -> RunRow:
    return RunRow(
        row[0], row[1], row[2], row[3], RunRequest.model_validate_json(row[4]), row[5], row[6],
        decode(row[7]) if row[7] else None, datetime.fromisoformat(row[8]), row[9], row[10],
    )  # fmt: skip


def _comparable(value: Any) -> Any:
    """Return a value as SQLite's JSON functions give it; what cannot be there equals nothing."""
    if isinstance(value, dict | list):
        return encode(value).decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value).encode()
    return value


class Records(EventLog):
    """The store of threads, runs and events."""

    # threads

    def add_thread(
        self,
        thread_id: str,
        metadata: Mapping[str, Any],
        standing: Standing = IDLE,
        temporary: bool = False,
    ) -> bool:
        """Add a thread; returns whether it is new."""
        at = now().isoformat()
        with self._transaction() as con:
            con.execute(
                "INSERT OR IGNORE INTO threads VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
                (
                    thread_id, standing.status, encode(metadata), encode(standing.values),
                    encode(standing.interrupts), None, temporary, at, at,
                ),
            )  # fmt: skip
            return bool(con.execute("SELECT changes()").fetchone()[0])

    def thread_row(self, thread_id: str) -> ThreadRow:
        """Return a thread; raises `UnknownThread`."""
        row = self._con.execute(
            f"SELECT {_THREAD} FROM threads WHERE id = ?",  # noqa: S608 - our own columns
            (thread_id,),
        ).fetchone()
        if row is None:
            raise UnknownThread(thread_id)
        return _thread(row)

    def has_thread(self, thread_id: str) -> bool:
        """Return whether there is such a thread."""
        found = self._con.execute("SELECT 1 FROM threads WHERE id = ?", (thread_id,))
        return found.fetchone() is not None

    def find_threads(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        status: str | None = None,
        ids: Iterable[str] | None = None,
        sort: tuple[str, bool] = ("updated_at", True),
    ) -> list[ThreadRow]:
        """Return the threads that are like that; temporary ones are nobody's business."""
        found = self.thread_heads(metadata=metadata, status=status, ids=ids, sort=sort)
        return [self.thread_row(head.thread_id) for head in found]

    def thread_heads(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        status: str | None = None,
        ids: Iterable[str] | None = None,
        sort: tuple[str, bool] = ("updated_at", True),
    ) -> list[ThreadHead]:
        """Return the same without their states, which may be large where threads are many."""
        where, given = ["NOT temporary"], list[Any]()
        for key, value in (metadata or {}).items():
            where.append("EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value IS ?)")
            given += [key, _comparable(value)]
        if status is not None:
            where.append("status = ?")
            given.append(status)
        if ids is not None:
            where.append("id IN (SELECT value FROM json_each(?))")
            given.append(encode(list(ids)).decode())
        column = {"thread_id": "id"}.get(sort[0], sort[0])
        assert sort[0] in SORTS
        order = f"{column} {'DESC' if sort[1] else 'ASC'}, id"
        sql = f"SELECT id, metadata FROM threads WHERE {' AND '.join(where)} ORDER BY {order}"  # noqa: S608 - our own columns
        return [ThreadHead(row[0], decode(row[1])) for row in self._con.execute(sql, given)]

    def change_metadata(self, thread_id: str, metadata: Mapping[str, Any]) -> None:
        """Merge metadata into a thread's."""
        merged = {**self.thread_row(thread_id).metadata, **metadata}
        with self._transaction() as con:
            con.execute(
                "UPDATE threads SET metadata = ?, updated_at = ? WHERE id = ?",
                (encode(merged), now().isoformat(), thread_id),
            )

    def settle(self, thread_id: str, standing: Standing) -> None:
        """Record how a thread stands."""
        with self._transaction():
            self._settle(thread_id, standing)

    def _settle(self, thread_id: str, standing: Standing) -> None:
        self._con.execute(
            "UPDATE threads SET status = ?, state = ?, interrupts = ?, error = ?, updated_at = ?"
            " WHERE id = ?",
            (
                standing.status, encode(standing.values), encode(standing.interrupts),
                encode(standing.error) if standing.error else None, now().isoformat(), thread_id,
            ),
        )  # fmt: skip

    def remove_thread(self, thread_id: str) -> None:
        """Forget a thread with its runs and events."""
        with self._transaction() as con:
            con.execute("DELETE FROM run_events WHERE thread_id = ?", (thread_id,))
            con.execute("DELETE FROM runs WHERE thread_id = ?", (thread_id,))
            con.execute("DELETE FROM retries WHERE what = ?", (thread_id,))
            con.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
        self.wake(thread_id)

    def keep_thread(self, thread_id: str) -> None:
        """Make a temporary thread one that stays."""
        with self._transaction() as con:
            con.execute("UPDATE threads SET temporary = 0 WHERE id = ?", (thread_id,))

    def stale_temporary(self, before: datetime) -> list[str]:
        """Return the temporary threads whose runs ended before some time."""
        found = self._con.execute(
            "SELECT id FROM threads AS t WHERE temporary AND updated_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM runs WHERE thread_id = t.id AND status IN ('pending', 'running'))",
            (before.isoformat(),),
        )
        return [row[0] for row in found]

    # runs

    def add_run(self, thread_id: str, graph: str, request: RunRequest) -> RunRow:
        """Put a run into its thread's queue, and mark the thread busy."""
        run_id, at = str(uuid.uuid4()), now()
        due = at + timedelta(seconds=request.after_seconds)
        with self._transaction() as con:
            con.execute(
                "INSERT INTO runs (id, thread_id, graph, status, request, attempt, due_at,"
                " created_at, updated_at) VALUES (?, ?, ?, 'pending', ?, 0, ?, ?, ?)",
                (
                    run_id, thread_id, graph, request.model_dump_json(), due.isoformat(),
                    at.isoformat(), at.isoformat(),
                ),
            )  # fmt: skip
            self._busy(thread_id)
        return self.run_row(run_id)

    def _busy(self, thread_id: str) -> None:
        self._con.execute(
            "UPDATE threads SET status = 'busy', updated_at = ? WHERE id = ?",
            (now().isoformat(), thread_id),
        )

    def run_row(self, run_id: str, thread_id: str | None = None) -> RunRow:
        """Return a run; raises `UnknownRun`."""
        row = self._con.execute(
            f"SELECT {_RUN} FROM runs WHERE id = ? AND thread_id = coalesce(?, thread_id)",  # noqa: S608 - our own columns
            (run_id, thread_id),
        ).fetchone()
        if row is None:
            raise UnknownRun(run_id)
        return _run(row)

    def has_ended(self, run_id: str) -> bool:
        """Return whether nothing more will happen in a run; raises `UnknownRun`."""
        row = self._con.execute("SELECT status FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise UnknownRun(run_id)
        return row[0] not in OPEN

    def runs_of(self, thread_id: str, status: str | None = None, limit: int = -1) -> list[RunRow]:
        """Return the runs of a thread, newest first."""
        found = self._con.execute(
            f"SELECT {_RUN} FROM runs WHERE thread_id = ? AND status = coalesce(?, status)"  # noqa: S608 - our own columns
            " ORDER BY position DESC LIMIT ?",
            (thread_id, status, limit),
        )
        return [_run(row) for row in found]

    def open_runs(self, thread_id: str | None = None) -> list[RunRow]:
        """Return the runs that wait or run, in the order they came."""
        found = self._con.execute(
            f"SELECT {_RUN} FROM runs WHERE status IN ('pending', 'running')"  # noqa: S608 - our own columns
            " AND thread_id = coalesce(?, thread_id) ORDER BY position",
            (thread_id,),
        )
        return [_run(row) for row in found]

    def start_run(self, run: RunRow, base: str | None) -> RunRow:
        """Record that a run begins, or begins again after a crash, and say so in the log."""
        first = run.base if run.attempt else base
        started = {"run_id": run.run_id, "attempt": run.attempt + 1}
        with self._transaction() as con:
            con.execute(
                "UPDATE runs SET status = 'running', attempt = attempt + 1, base = ?,"
                " updated_at = ? WHERE id = ?",
                (first, now().isoformat(), run.run_id),
            )
            self._busy(run.thread_id)
            entries = [
                Entry("metadata", "metadata", encode(started)),
                lifecycle(run.graph, "running"),
                *answered(run, self.thread_row(run.thread_id).interrupts),
            ]
            self._append(con, run.thread_id, run.run_id, *entries)
        self.wake(run.thread_id)
        return self.run_row(run.run_id)

    def set_run(
        self,
        run: RunRow,
        status: RunStatus,
        standing: Standing | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Record where a run stands, with its thread when that stands still now."""
        with self._transaction() as con:
            self._append(con, run.thread_id, run.run_id, *ending(run, status, standing, error))
            con.execute(
                "UPDATE runs SET status = ?, error = ?, updated_at = ? WHERE id = ?",
                (status, encode(error) if error else None, now().isoformat(), run.run_id),
            )
            if standing is not None:
                self._settle(run.thread_id, standing)
        self.wake(run.thread_id)

    def remove_run(self, run: RunRow) -> None:
        """Forget a run and what happened in it; who follows its thread is told that it ended."""
        with self._transaction() as con:
            con.execute("DELETE FROM run_events WHERE run_id = ?", (run.run_id,))
            con.execute("DELETE FROM runs WHERE id = ?", (run.run_id,))
            if not run.ended:
                gone = lifecycle(run.graph, "interrupted")
                self._append(con, run.thread_id, run.run_id, gone)
        self.wake(run.thread_id)

    # tries

    def retry(self, what: str) -> Retry | None:
        """Return when something that failed is tried again."""
        row = self._con.execute(
            "SELECT next_at, waited FROM retries WHERE what = ?", (what,)
        ).fetchone()
        return Retry(datetime.fromisoformat(row[0]), row[1]) if row else None

    def set_retry(self, what: str, next_at: datetime, waited: float) -> None:
        """Write down when something is tried again."""
        with self._transaction() as con:
            row = (what, next_at.isoformat(), waited)
            con.execute("INSERT OR REPLACE INTO retries VALUES (?, ?, ?)", row)

    def drop_retry(self, what: str) -> None:
        """Forget that something failed."""
        if self.retry(what) is not None:
            with self._transaction() as con:
                con.execute("DELETE FROM retries WHERE what = ?", (what,))

    def retries(self) -> int:
        """Return how many things wait to be tried again."""
        found: int = self._con.execute("SELECT count(*) FROM retries").fetchone()[0]
        return found

    # totals

    def durations(self) -> dict[tuple[str, str], tuple[int, float]]:
        """Return how many runs ended, and after how many seconds in all, by graph and status."""
        found = self._con.execute(
            "SELECT graph, status, count(*),"
            " sum(julianday(updated_at) - julianday(created_at)) * 86400"
            " FROM runs WHERE status NOT IN ('pending', 'running') GROUP BY graph, status"
        )
        return {(graph, status): (count, seconds) for graph, status, count, seconds in found}

    def oldest_pending(self) -> datetime | None:
        """Return since when a run could have begun that did not yet."""
        row = self._con.execute(
            "SELECT min(due_at) FROM runs WHERE status = 'pending' AND due_at < ?",
            (now().isoformat(),),
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def counts(self) -> dict[str, int]:
        """Return how many runs there are by status."""
        found = self._con.execute("SELECT status, count(*) FROM runs GROUP BY status")
        return dict(found.fetchall())
