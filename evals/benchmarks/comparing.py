"""Time a workload on a product before and after, through the path its consumers take."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.messages import Interval
from tools.product.owner import Limits, Owner
from tools.product.statistics import ratio_of_totals
from tools.product.workload_store import WorkloadStore

CONFIG = {"threads": "2", "memory_limit": "1GB"}
TURN_SECONDS = 120.0


@dataclass(frozen=True)
class Comparison:
    """The same queries before and after a set of changes."""

    ratio: Interval
    """Weighted total before / after."""
    once: Interval
    """The same with every query counted once."""
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
    old: dict[str, list[float]] = {sql: [] for sql in texts.values()}
    new: dict[str, list[float]] = {sql: [] for sql in texts.values()}
    with _owner(before, scratch / "before.db") as a, _owner(after, scratch / "after.db") as b:
        differing = tuple(n for n, sql in texts.items() if _answer(a, sql) != _answer(b, sql))
        for _ in range(turns):
            for owner, samples in ((a, old), (b, new)):
                for sql, ms in owner.time_queries(list(old), 1, TURN_SECONDS).items():
                    samples[sql].extend(ms)
    names = [name for name, sql in texts.items() if old[sql] and new[sql]]
    kept_old = [old[texts[name]] for name in names]
    kept_new = [new[texts[name]] for name in names]
    runs = [float(weights[name]) for name in names]
    return Comparison(
        ratio=ratio_of_totals(kept_old, kept_new, runs),
        once=ratio_of_totals(kept_old, kept_new, [1.0] * len(runs)),
        before_ms=sum(w * _median(s) for w, s in zip(runs, kept_old, strict=True)),
        after_ms=sum(w * _median(s) for w, s in zip(runs, kept_new, strict=True)),
        differing=differing,
        timed=len(names),
    )


def _median(samples: list[float]) -> float:
    ordered = sorted(samples)
    return ordered[len(ordered) // 2]


def _answer(owner: Owner, sql: str) -> object:
    """Return what a consumer gets; order counts only where the query orders."""
    rows = owner.query(sql, "benchmark", Limits()).rows
    return rows if "ORDER BY" in sql.upper() else Counter(rows)
