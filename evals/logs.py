"""How much the log shows that an advisor sees: runs, and the days that they go over."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tools.product.workload_store import WorkloadStore


class Recorded(NamedTuple):
    """What a product's workload holds when the advisor first looks."""

    runs: int
    days: int
    """From the first day with a run to the last; 0 where no run has a time."""


def recorded_in(workload: Path) -> Recorded:
    """Return how much a product's workload holds."""
    with closing(WorkloadStore(workload)) as store, store.transaction() as con:
        (runs,) = con.execute("SELECT coalesce(sum(runs), 0) FROM texts").fetchone()
        (days,) = con.execute(
            "SELECT coalesce(julianday(max(day)) - julianday(min(day)) + 1, 0) FROM days"
        ).fetchone()
    return Recorded(int(runs), int(days))
