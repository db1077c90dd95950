"""What a change saves on its own queries: what else was made faster does not move it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tools.messages import Evidence, Interval, QueryTiming
from tools.numbers import milliseconds

LEAST = 0.01
"""Of the time of its queries: a change that saves less counts as if it saved this."""
WEEK = 7
"""Days: in a shorter log it is chance how often a query is asked a day."""


@dataclass(frozen=True)
class Saving:
    """Milliseconds that a change saves in all recorded runs of the queries it can touch."""

    total: Interval
    spent: float
    """What these runs take without it."""
    runs: int
    days: int
    """What the recorded time lasted; 0 where that is unknown."""

    @classmethod
    def of(cls, evidence: Evidence) -> Saving | None:
        """Add up the queries that are still asked; None where none was timed."""
        # Only what is asked no more has no share of the time.
        queries = [q for q in evidence.queries if q.share and q.runs]
        if not queries:
            return None
        parts = [_saved(q) for q in queries]
        mid = sum(p.mid for p in parts)
        return cls(
            total=Interval(
                low=mid - math.hypot(*(p.mid - p.low for p in parts)),
                mid=mid,
                high=mid + math.hypot(*(p.high - p.mid for p in parts)),
            ),
            spent=sum(q.runs * q.before_ms.mid for q in queries),
            runs=sum(q.runs for q in queries),
            days=evidence.expected.days if evidence.expected else 0,
        )


def saves_otherwise(then: Saving, now: Saving, threshold: float) -> str | None:
    """Return what was saved and what is, where that is materially different, or None.

    It has to differ in all recorded runs and by the day, or by the run where days say little:
    all grows with the log, and a day or a run saves less when more is recorded besides.
    """
    daily = min(then.days, now.days) >= WEEK
    units = (then.days, now.days) if daily else (then.runs, now.runs)
    apart = {_moved(then, now, parts, threshold) for parts in ((1, 1), units)}
    if apart not in ({1}, {-1}):
        return None
    unit = "a day" if daily else "a run of its queries"
    before, after = (_told(s, part, unit) for s, part in zip((then, now), units, strict=True))
    return f"It saved {before} then and saves {after} now."


def _moved(then: Saving, now: Saving, parts: tuple[int, int], threshold: float) -> int:
    """Return 1 where surely and materially more is saved, -1 where less is, else 0."""
    old, new = then.total, now.total
    first, last = parts
    least = threshold * max(abs(old.mid), LEAST * then.spent) / first
    if new.low / last > old.high / first and new.mid / last - old.mid / first > least:
        return 1
    # Of queries that take less without it by now it cannot save as much: that is no news.
    left = min(1.0, now.spent / last / max(then.spent / first, 1e-9)) / first
    if new.high / last < old.low * left and old.mid * left - new.mid / last > least:
        return -1
    return 0


def _told(saving: Saving, part: int, unit: str) -> str:
    mid = saving.total.mid
    return f"{milliseconds(mid / part)} {unit} ({milliseconds(mid)} in all recorded runs)"


def _saved(query: QueryTiming) -> Interval:
    spent, ratio = query.runs * query.before_ms.mid, query.ratio
    low, mid, high = (spent * (1 - 1 / max(r, 1e-9)) for r in (ratio.low, ratio.mid, ratio.high))
    return Interval(low=low, mid=mid, high=high)
