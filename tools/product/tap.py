"""The tap: notes every query of a connection, in microseconds, without ever getting in its way."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from sqlite3 import Error as StoreError
from typing import Any

from tools.product.workload_store import Observation, WorkloadStore

CAPACITY = 10_000
FLUSH_SECONDS = 0.5
_Note = tuple[str, float, float | None, str | None, str]


class Tap:
    """Collects runs in memory and writes them from a thread of its own; drops when full."""

    def __init__(self, store: WorkloadStore, *, capacity: int = CAPACITY) -> None:
        self.dropped = 0
        self._store = store
        self._capacity = capacity
        self._notes: deque[_Note] = deque()
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write, name="pillion-tap", daemon=True)
        self._writer.start()

    def wrap(self, con: Any, caller: str) -> TappedConnection:
        """Return a connection that behaves like `con` and is noted under `caller`."""
        return TappedConnection(con, self, caller)

    def note(
        self, sql: str, started: float, ms: float | None, error: str | None, caller: str
    ) -> None:
        """Remember one run; never blocks, never raises."""
        if len(self._notes) < self._capacity:
            self._notes.append((sql, started, ms, error, caller))
        else:
            self.dropped += 1

    def close(self) -> None:
        """Write what is left and stop."""
        self._stopping.set()
        self._writer.join()

    def _write(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        batch = [self._notes.popleft() for _ in range(len(self._notes))]
        if not batch:
            return
        try:
            self._store.record(_observation(n) for n in batch)
        except StoreError:
            # A full disk under the store must not reach the product's own queries.
            self.dropped += len(batch)


class TappedConnection:
    """A DuckDB connection whose `execute`, `executemany`, `sql` and `query` are noted.

    DuckDB hands large results out while it computes them, so a time ends with the first rows;
    `sql` and `query` only prepare a relation, and their runs are noted without a time.
    """

    __slots__ = ("_caller", "_con", "_tap", "fetchall", "fetchmany", "fetchone")

    def __init__(self, con: Any, tap: Tap, caller: str) -> None:
        self._con, self._tap, self._caller = con, tap, caller
        # What every query calls is found at once: a look that fails first takes 20 µs.
        self.fetchall, self.fetchmany, self.fetchone = con.fetchall, con.fetchmany, con.fetchone

    def execute(self, query: Any, parameters: Any = None) -> TappedConnection:
        """Run a statement like DuckDB's own `execute`."""
        self._noted(self._con.execute, query, parameters)
        return self

    def executemany(self, query: Any, parameters: Any = None) -> TappedConnection:
        """Run a statement for each set of parameters like DuckDB's own `executemany`."""
        self._noted(self._con.executemany, query, parameters)
        return self

    def sql(self, query: Any, **options: Any) -> Any:
        """Return a relation like DuckDB's own `sql`."""
        return self._noted(self._con.sql, query, None, timed=False, **options)

    query = sql

    def _noted(
        self,
        run: Callable[..., Any],
        query: Any,
        parameters: Any,
        *,
        timed: bool = True,
        **options: Any,
    ) -> Any:
        wall, started = time.time(), time.perf_counter()
        error: str | None = None
        try:
            return run(query, **options) if parameters is None else run(query, parameters)
        except BaseException as exc:
            error = type(exc).__name__
            raise
        finally:
            elapsed = (time.perf_counter() - started) * 1000 if timed else None
            self._tap.note(str(query), wall, elapsed, error, self._caller)

    def cursor(self) -> TappedConnection:
        """Return a cursor that is noted as well."""
        return TappedConnection(self._con.cursor(), self._tap, self._caller)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def __enter__(self) -> TappedConnection:
        return self

    def __exit__(self, *exc: object) -> None:
        self._con.close()


def _observation(note: _Note) -> Observation:
    sql, started, ms, error, caller = note
    at = datetime.fromtimestamp(started, UTC)
    return Observation(sql=sql, at=at, ms=ms, source="tap", error=error, caller=caller)
