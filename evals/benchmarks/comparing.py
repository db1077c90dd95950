"""Time a workload on a product before and after, through the path its consumers take."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.messages import Interval
from tools.product.owner import Limits, Owner
from tools.product.statistics import ratio_of_totals
from tools.product.workload_store import WorkloadStore

CONFIG = {"threads": "2", "memory_limit": "1GB"}
TURN_SECONDS = 120.0
RUNS_A_TURN = 2
"""One to warm up and one for the clock; the processor counts both."""


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
    return Comparison(
        ratio=ratio_of_totals(walls[0], walls[1], runs),
        once=ratio_of_totals(walls[0], walls[1], [1.0] * len(runs)),
        processor=ratio_of_totals(work[0], work[1], runs),
        before_ms=sum(w * _median(s) for w, s in zip(runs, walls[0], strict=True)),
        after_ms=sum(w * _median(s) for w, s in zip(runs, walls[1], strict=True)),
        differing=differing,
        timed=len(names),
    )


class Samples:
    """Milliseconds of one side by query: on the clock, and of the processor."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.processor: defaultdict[str, list[float]] = defaultdict(list)

    def take(self, owner: Owner, sql: str) -> None:
        """Run a query once to warm up and once for its time."""
        started = time.process_time()
        for ms in owner.time_queries([sql], 1, TURN_SECONDS).get(sql, ()):
            self.wall[sql].append(ms)
            self.processor[sql].append((time.process_time() - started) * 1000 / RUNS_A_TURN)


def _median(samples: list[float]) -> float:
    ordered = sorted(samples)
    return ordered[len(ordered) // 2]


def _answer(owner: Owner, sql: str) -> object:
    """Return what a consumer gets; order counts only where the query orders."""
    rows = owner.query(sql, "benchmark", Limits()).rows
    return rows if "ORDER BY" in sql.upper() else Counter(rows)
