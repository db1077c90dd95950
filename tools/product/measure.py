"""Interleaved A/B timing of queries on two open copies of one database."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from tools.messages import Interval
from tools.product.results import Answer, capture
from tools.product.statistics import paired_ratio, ratio_noise

FETCHED_BY_ROW = 20_000
"""Larger results are drained as Arrow: making Python rows would hide what the engine does."""
LEDGER = ("pillion.changes", "pillion.rewrites")
"""A few rows that the first change brings and every later one shares."""
STARVED = 5.0
"""How many times its limit anything may take on the clock, all its waiting included."""
SHORT_MS = 20.0
SHORT_RUNS = 5
_TICK = 0.02
Clock = Callable[[], float]
processor: Clock = time.process_time
"""Times a copy's queries: a niced child on a busy machine waits for seconds and works for
milliseconds, and only the work is the query's. The copies are in memory, so little else is waited
for."""


class Work:
    """A budget's clock, which hardly runs while others keep the processor busy.

    On the wall clock a budget would be spent on waiting, and what is found depend on the others.
    """

    def __init__(self, rested: Clock = lambda: 0.0) -> None:
        self._rested = rested
        self._worked, self._clock = _worked(), self._awake()

    def __call__(self) -> float:
        """Return the seconds of work since it began: the processor's, or a fifth of the clock's.

        What it `rested` by itself is not counted.
        """
        return max(_worked() - self._worked, (self._awake() - self._clock) / STARVED)

    def _awake(self) -> float:
        return time.monotonic() - self._rested()


def _worked() -> float:
    """Return processor seconds of this process and of those that copied files for it."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return processor() + children.ru_utime + children.ru_stime


def open_copy(path: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open a private copy: one thread, bounded memory, no reach outside the file."""
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": memory_limit,
        "enable_external_access": False,
        "preserve_insertion_order": True,
    }
    return duckdb.connect(str(path), config=config)


class _Running(NamedTuple):
    con: duckdb.DuckDBPyConnection
    clock: Clock
    until: float
    latest: float

    @property
    def over(self) -> bool:
        return self.clock() > self.until or time.monotonic() > self.latest


class Watchdog:
    """Interrupts a connection that runs past its time; one thread for all queries.

    `rest` is called before each of them.
    """

    def __init__(self, rest: Callable[[], None] = lambda: None) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    @contextmanager
    def limit(
        self, con: duckdb.DuckDBPyConnection, seconds: float, clock: Clock = processor
    ) -> Iterator[None]:
        """Interrupt `con` when the block takes longer than `seconds` of `clock`.

        And in any case when it has waited many times as long for the processor.
        """
        self._rest()
        with self._lock:
            self._running = _Running(
                con, clock, clock() + seconds, time.monotonic() + seconds * STARVED
            )
        try:
            yield
        finally:
            with self._lock:
                self._running = None

    def _watch(self) -> None:
        while not self._closed.wait(_TICK):
            with self._lock:
                if self._running is not None and self._running.over:
                    self._running.con.interrupt()


@dataclass
class Pairing:
    """One query on both sides and its runs so far, in milliseconds."""

    fingerprint: str
    sql_before: str
    sql_after: str
    weight: float
    seconds: float
    """Longest either side may run."""
    large: bool = False
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    @property
    def burst(self) -> int:
        """How many pairs a round runs; short queries need more to rise above the noise."""
        if not self.before:
            return 1
        return max(1, min(SHORT_RUNS, int(SHORT_MS / max(self.before[0], 0.1))))


def run_query(con: duckdb.DuckDBPyConnection, sql: str, *, large: bool) -> float:
    """Run a query, fetch all of its result, and return the milliseconds of processor."""
    started = processor()
    cursor = con.execute(sql)
    if large:
        _drain(cursor)
    else:
        cursor.fetchall()
    return (processor() - started) * 1000


def run_round(
    base: duckdb.DuckDBPyConnection,
    trial: duckdb.DuckDBPyConnection,
    pairings: Sequence[Pairing],
    watchdog: Watchdog,
) -> None:
    """Run every query on both sides in turns, changing which goes first."""
    for pairing in pairings:
        for _ in range(pairing.burst):
            sides = [(base, pairing.sql_before), (trial, pairing.sql_after)]
            swapped = bool(len(pairing.before) % 2)
            if swapped:
                sides.reverse()
            pair = []
            for con, sql in sides:
                with watchdog.limit(con, pairing.seconds):
                    pair.append(run_query(con, sql, large=pairing.large))
            # A stopped query leaves no half of a pair behind.
            pairing.before.append(pair[swapped])
            pairing.after.append(pair[not swapped])


def total_ratio(pairings: Sequence[Pairing], constant: float, noise: Sequence[float]) -> Interval:
    """Return the workload's time before / after, all else being `constant`."""
    measured = [p for p in pairings if p.before and p.after]
    if not measured:
        return Interval(low=1, mid=1, high=1)
    return paired_ratio(
        [p.before for p in measured],
        [p.after for p in measured],
        [p.weight for p in measured],
        constant=constant,
        noise=noise,
    )


def query_ratio(pairing: Pairing, noise: Sequence[float]) -> Interval:
    """Return one query's time before / after."""
    return paired_ratio([pairing.before], [pairing.after], [1.0], noise=noise)


def noise_of(pairings: Sequence[Pairing]) -> list[float]:
    """Return how far single runs stray from their medians."""
    return [r for p in pairings for r in ratio_noise(p.before, p.after)]


def capture_profiled(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Answer, int | None]:
    """Run a query for its result and the row groups it scanned, where the engine tells.

    On the connection itself: a watchdog's interrupt does not reach a cursor of it.
    """
    profiled = False
    with suppress(duckdb.Error):
        con.execute("CALL enable_profiling(format='no_output', metrics=['query.*'])")
        profiled = True
    try:
        answer = capture(con, sql)
        return answer, _row_groups(con.get_profiling_information()) if profiled else None
    finally:
        if profiled:
            con.execute("CALL disable_profiling()")


def used_bytes(con: duckdb.DuckDBPyConnection) -> int:
    """Return the bytes of the blocks in use after a checkpoint, the ledger of changes left out."""
    con.execute("CHECKPOINT")
    size, used = con.execute(
        "SELECT block_size, used_blocks FROM pragma_database_size()"
    ).fetchall()[0]
    for table in LEDGER:
        with suppress(duckdb.CatalogException):
            used -= con.execute(
                "SELECT count(DISTINCT block_id) FROM pragma_storage_info(?) WHERE block_id >= 0",
                [table],
            ).fetchall()[0][0]
    return int(size) * int(used)


def _row_groups(profile: str) -> int | None:
    with suppress(ValueError, AttributeError):
        found = json.loads(profile).get("query", {}).get("total_row_groups_scanned")
        return int(found) if found is not None else None
    return None


def _drain(cursor: Any) -> None:
    reader = (
        cursor.to_arrow_reader(FETCHED_BY_ROW)
        if hasattr(cursor, "to_arrow_reader")
        else cursor.fetch_record_batch(FETCHED_BY_ROW)
    )
    for _ in reader:
        pass
