"""Time a workload on a product before and after, through the path its consumers take."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb

from tools.messages import Interval
from tools.product.catalog import read_catalog
from tools.product.owner import Limits, Owner
from tools.product.statistics import ratio_of_totals
from tools.product.workload_store import WorkloadStore

CONFIG = {"threads": "2", "memory_limit": "1GB"}
WARM_UPS = 2
"""Runs before the one that is timed: by its second a text is kept as it was parsed."""


@dataclass(frozen=True)
class Comparison:
    """The same queries before and after a set of changes."""

    ratio: Interval
    """Weighted total before / after."""
    once: Interval
    """The same with every query counted once."""
    processor: Interval
    """The weighted ratio of processor time, that of all threads together."""
    before_ms: float
    after_ms: float
    """Weighted totals of medians."""
    threads: tuple[float, float]
    """How many worked at once, before and after: time of the processor / time on the clock."""
    differing: tuple[str, ...]
    """Names of queries whose answer changed."""
    timed: int


@contextlib.contextmanager
def _owner(database: Path, scratch: Path) -> Iterator[Owner]:
    store = WorkloadStore(scratch)
    try:
        owner = Owner(database, store, CONFIG)
        try:
            yield owner
        finally:
            owner.close()
    finally:
        store.close()


def compare(
    before: Path,
    after: Path,
    texts: Mapping[str, str],
    weights: Mapping[str, int],
    *,
    turns: int,
    scratch: Path,
) -> Comparison:
    """Time `texts` by turns on both files, so that what disturbs one disturbs the other."""
    old, new = Samples(), Samples()
    with _owner(before, scratch / "before.db") as a, _owner(after, scratch / "after.db") as b:
        differing = tuple(n for n, sql in texts.items() if _answer(a, sql) != _answer(b, sql))
        for _ in range(turns):
            for sql in texts.values():
                old.take(a, sql)
                new.take(b, sql)
    names = [name for name, sql in texts.items() if old.wall[sql] and new.wall[sql]]
    timed = [texts[name] for name in names]
    walls = [[side.wall[sql] for sql in timed] for side in (old, new)]
    work = [[side.processor[sql] for sql in timed] for side in (old, new)]
    runs = [float(weights[name]) for name in names]
    totals = [_total(side, runs) for side in walls]
    works = [_total(side, runs) for side in work]
    return Comparison(
        ratio=ratio_of_totals(walls[0], walls[1], runs),
        once=ratio_of_totals(walls[0], walls[1], [1.0] * len(runs)),
        processor=ratio_of_totals(work[0], work[1], runs),
        before_ms=totals[0],
        after_ms=totals[1],
        threads=(works[0] / totals[0], works[1] / totals[1]),
        differing=differing,
        timed=len(names),
    )


class Samples:
    """Milliseconds of one side by query: on the clock, and of the processor."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.processor: defaultdict[str, list[float]] = defaultdict(list)

    def take(self, owner: Owner, sql: str) -> None:
        """Run a query to warm up and once for its times; one that fails leaves none."""
        with contextlib.suppress(duckdb.Error), owner.cursor() as con:
            for _ in range(WARM_UPS):
                owner.execute(con, sql).fetchall()
            wall, work = time.perf_counter(), time.process_time()
            owner.execute(con, sql).fetchall()
            self.wall[sql].append((time.perf_counter() - wall) * 1000)
            self.processor[sql].append((time.process_time() - work) * 1000)


def without_rows(
    after: Path, texts: Mapping[str, str], weights: Mapping[str, int], *, turns: int, scratch: Path
) -> float:
    """Return the weighted milliseconds on the clock of the same queries when no table has a row.

    No change of the data saves what they take then: parsing, planning, starting, answering.
    """
    empty = scratch / "empty.duckdb"
    shutil.copy(after, empty)
    with duckdb.connect(str(empty)) as con:
        for table in read_catalog(con).tables:
            con.execute(f"TRUNCATE {table.name.sql}")
        con.execute("CHECKPOINT")
    samples = Samples()
    with _owner(empty, scratch / "empty.db") as owner:
        for _ in range(turns):
            for sql in texts.values():
                samples.take(owner, sql)
    timed = [name for name, sql in texts.items() if samples.wall[sql]]
    return _total([samples.wall[texts[n]] for n in timed], [float(weights[n]) for n in timed])


def _total(samples: Sequence[list[float]], weights: Sequence[float]) -> float:
    return sum(w * median(s) for w, s in zip(weights, samples, strict=True))


def _answer(owner: Owner, sql: str) -> object:
    """Return what a consumer gets; order counts only where the query orders."""
    rows = owner.query(sql, "benchmark", Limits()).rows
    return rows if "ORDER BY" in sql.upper() else Counter(rows)
