"""The tap and the sidecar: what being watched and measured costs the product's own queries."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import psutil

from evals.benchmarks.command import home
from evals.benchmarks.report import BenchmarkFailed, Row
from tools.demo.flights import build_flights, queries
from tools.messages import Candidate, Interval, SortTable, TableName
from tools.product.catalog import read_catalog
from tools.product.errors import MeasureFailed
from tools.product.measurement import ShadowJob, ShadowSettings
from tools.product.shadow import run_shadow
from tools.product.snapshot import copy_database
from tools.product.statistics import interval_of, paired_ratio
from tools.product.tap import FLUSH_SECONDS, Tap
from tools.product.workload_store import Observation, WorkloadStore

NAME = "tap"
CLAIM = (
    "On queries of 1 ms and more the tap costs 2 % or less of mean latency and CPU, and a shadow "
    "measurement running at the same time 2 % or less on top. Paired: the same queries by turns "
    "with and without, on two cores with two DuckDB threads, in blocks that last as long as the "
    "tap waits four times between two writes. The spread is the 95 % bootstrap interval over the "
    "pairs. What is too small for them to see is measured by itself, too: what the tap adds to a "
    "query that does nothing, and the processor time of its writing, all of it counted as if "
    "queries had to wait for it."
)
MOST = 2.0
FLUSHES = 4
MORE = 3
"""Times as many turns beside a measurement: it gives way by bursts, which blocks share unevenly."""
LEAST_MS, WARM_SECONDS, START_SECONDS = 1.0, 2.0, 60.0
TRIVIAL = "SELECT 1"
Block = Callable[[], float]
"""Returns the seconds that its queries took."""


class Cost(NamedTuple):
    """Seconds of one block of queries: what they took, and processor of all that went with it."""

    latency: float
    processor: float


class TimedStore(WorkloadStore):
    """Notes what writing costs the thread that does it."""

    runs = 0
    processor = 0.0

    def record(self, observations: Iterable[Observation]) -> int:
        """Add runs as the store does."""
        started = time.thread_time()
        try:
            count = super().record(observations)
        finally:
            self.processor += time.thread_time() - started
        self.runs += count
        return count


def run(quick: bool) -> list[Row]:
    """Race tapped against plain, then tapped beside a measurement against tapped alone."""
    turns = 4 if quick else 40
    with home() as directory:
        database = directory / "flights.duckdb"
        build_flights(database, lambda step, done: None, scale=0.2)
        store = TimedStore(directory / "workload.db")
        with duckdb.connect(str(database), config={"threads": 2, "memory_limit": "1GB"}) as con:
            texts = _slow_enough(con)
            block = _as_long_as(FLUSHES * FLUSH_SECONDS, con, texts)
            tap = _tap_rows(con, store, block, turns)
            beside = _sidecar_rows(con, store, block, directory, database, MORE * turns)
        store.close()
    return [
        *tap,
        *beside,
        Row("queries", len(texts), ""),
        Row("queries in a block", len(block), ""),
    ]


def _slow_enough(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the demo's queries that take long enough, warm."""
    found = []
    for sql in queries().values():
        con.execute(sql).fetchall()
        started = time.perf_counter()
        con.execute(sql).fetchall()
        if (time.perf_counter() - started) * 1000 >= LEAST_MS:
            found.append(sql)
    return found


def _as_long_as(seconds: float, con: duckdb.DuckDBPyConnection, texts: list[str]) -> list[str]:
    """Repeat the queries until they last as long."""
    return texts * math.ceil(seconds / _execute(con, texts))


def _tap_rows(
    con: duckdb.DuckDBPyConnection, store: TimedStore, texts: list[str], turns: int
) -> list[Row]:
    def tapped() -> float:
        tap = Tap(store)
        took = _execute(tap.wrap(con.cursor(), "benchmark"), texts)
        # What is left to write goes on while nobody asks; its processor time counts.
        tap.close()
        return took

    with_tap, without = _race(tapped, lambda: _execute(con.cursor(), texts), turns)
    writing = store.processor / store.runs
    latency = sum(cost.latency for cost in without) / len(without) / len(texts)
    added = _added_to_each(con, store, 100 * turns)
    most, worst = (_percent_of(s, added, writing) for s in (latency, LEAST_MS / 1000))
    return [
        *_overhead("tap", with_tap, without),
        Row("tap, time added to a query that does nothing", added.mid * 1e6, "µs",
            f"{added.low * 1e6:.1f}–{added.high * 1e6:.1f} (95 %)"),
        Row("tap, processor time of its writing a query", writing * 1e6, "µs"),
        Row("tap, both as a part of mean latency", most.mid, "%", _spread(most), "≤ 2",
            most.high <= MOST),
        Row("tap, both as a part of a query of 1 ms", worst.mid, "%", _spread(worst), "≤ 2",
            worst.high <= MOST),
        Row("mean latency of the queries", latency * 1000, "ms"),
    ]  # fmt: skip


def _added_to_each(con: duckdb.DuckDBPyConnection, store: TimedStore, runs: int) -> Interval:
    """Return the seconds between a query that does nothing with and without the tap, by turns."""
    tap = Tap(store)
    watched, plain = tap.wrap(con.cursor(), "benchmark"), con.cursor()
    found = []
    for turn in range(runs):
        if turn % 2:
            with_tap, without = _execute(watched, [TRIVIAL]), _execute(plain, [TRIVIAL])
        else:
            without, with_tap = _execute(plain, [TRIVIAL]), _execute(watched, [TRIVIAL])
        found.append(with_tap - without)
    tap.close()
    return interval_of(found)


def _percent_of(latency: float, added: Interval, writing: float) -> Interval:
    low, mid, high = ((x + writing) / latency * 100 for x in (added.low, added.mid, added.high))
    return Interval(low=low, mid=mid, high=high)


def _spread(percent: Interval) -> str:
    return f"{percent.low:.2f}–{percent.high:.2f} (95 %)"


def _sidecar_rows(
    con: duckdb.DuckDBPyConnection,
    store: WorkloadStore,
    texts: list[str],
    directory: Path,
    database: Path,
    turns: int,
) -> list[Row]:
    tap = Tap(store)
    watched = tap.wrap(con.cursor(), "benchmark")
    with _measuring(con, store, directory, database) as child:

        def beside() -> float:
            child.resume()
            return _execute(watched, texts)

        def alone() -> float:
            child.suspend()
            return _execute(watched, texts)

        measured = _race(beside, alone, turns)
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            raise BenchmarkFailed("the measurement ended before the race")
        child.resume()
    tap.close()
    return _overhead("a measurement beside it", *measured)


def _execute(con: Any, texts: list[str]) -> float:
    started = time.perf_counter()
    for sql in texts:
        con.execute(sql).fetchall()
    return time.perf_counter() - started


def _race(one: Block, other: Block, turns: int) -> tuple[list[Cost], list[Cost]]:
    """Run both by turns, changing which goes first; a first turn of each warms up."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for turn in range(turns + 1):
        sides = [(one, costs[0]), (other, costs[1])]
        for block, kept in sides if turn % 2 else reversed(sides):
            processor = time.process_time()
            latency = block()
            kept.append(Cost(latency, time.process_time() - processor))
    return costs[0][1:], costs[1][1:]


def _overhead(name: str, costly: list[Cost], plain: list[Cost]) -> list[Row]:
    rows = []
    for index, what in enumerate(("latency", "CPU")):
        sides = [[cost[index] for cost in side] for side in (costly, plain)]
        found = _percent(paired_ratio([sides[0]], [sides[1]], [1.0]))
        spread = f"{found.low:+.2f} to {found.high:+.2f} %"
        rows.append(
            Row(f"{name}, mean {what} added", found.mid, "%", spread, "≤ 2", found.mid <= MOST)
        )
    return rows


def _percent(ratio: Interval) -> Interval:
    low, mid, high = ((x - 1) * 100 for x in (ratio.low, ratio.mid, ratio.high))
    return Interval(low=low, mid=mid, high=high)


@contextmanager
def _measuring(
    con: duckdb.DuckDBPyConnection, store: WorkloadStore, directory: Path, database: Path
) -> Iterator[psutil.Process]:
    """Keep a real shadow measurement busy in its child; it is paused and resumed from outside."""
    snapshot = directory / "shadow" / "base.duckdb"
    snapshot.parent.mkdir()
    con.execute("CHECKPOINT")
    copy_database(database, snapshot)
    catalog = read_catalog(con)
    stop = threading.Event()
    job = ShadowJob(
        snapshot=str(snapshot), evidence=str(directory / "evidence"), catalog=catalog,
        workload=store.workload(catalog), candidates=_ideas(),
        settings=ShadowSettings(budget_seconds=3600, repetitions=10_000, min_gain=1.0),
    )  # fmt: skip
    waiting = threading.Thread(target=_until_stopped, args=(job, stop), daemon=True)
    waiting.start()
    try:
        yield _child()
    finally:
        stop.set()
        waiting.join()


def _until_stopped(job: ShadowJob, stop: threading.Event) -> None:
    try:
        run_shadow(job, lambda done, total, text: None, should_stop=stop.is_set)
    except MeasureFailed:
        # Stopped by us, or told by the check that the child still lives.
        return


def _ideas() -> tuple[Candidate, ...]:
    flights = TableName(name="flights")
    columns = ("carrier", "origin", "dest", "month", "day", "hour", "time_hour", "tailnum")
    return tuple(
        Candidate(
            id=f"p{n}", agent="schema", change=SortTable(table=flights, order_by=(column,)),
            reason="benchmark",
        )
        for n, column in enumerate(columns)
    )  # fmt: skip


def _child() -> psutil.Process:
    """Return the measuring child once it works."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        for child in psutil.Process().children():
            if child.cpu_times().user > WARM_SECONDS:
                return child
        time.sleep(0.2)
    raise BenchmarkFailed("the measurement did not start")
