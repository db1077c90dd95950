"""Whether a change that won its race is worth a person's time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tools.messages import Candidate, Interval, Rehearsal
from tools.product.bench import InsertLimit
from tools.product.measure import Pairing

LEAST_SAVED_MS = 0.2
"""A gain that no single run shows by this much ..."""
LEAST_SAVED_TOTAL_MS = 1000.0
"""... nor all recorded runs together by this much, is true and not worth a person's time."""
WRITERS_GAIN = 0.97
"""Inserts that take less than this of their time are a gain worth a question."""


def trifle(pairings: Sequence[Pairing]) -> str | None:
    """Return what little is saved, when neither one run nor all together save enough."""
    saved = [
        (statistics.median(p.before) - statistics.median(p.after), p.weight)
        for p in pairings
        if p.before and p.after
    ]
    each = max((ms for ms, _ in saved), default=0.0)
    total = sum(ms * runs for ms, runs in saved)
    if each >= LEAST_SAVED_MS or total >= LEAST_SAVED_TOTAL_MS:
        return None
    return f"it saves {each:.2f} ms a query and {max(total, 0.0) / 1000:.2f} s in all recorded runs"


def refusal(
    limit: InsertLimit, total: Interval, rehearsal: Rehearsal, cost: Interval | None, exact: bool
) -> str | None:
    """Return why a change that won its race is not worth a person's time after all."""
    if not rehearsal.ok:
        return f"it cannot be undone exactly: {rehearsal.detail}"
    if not exact:
        return "the summary no longer agrees with its table after inserts"
    if cost is None:
        return None
    if cost.mid > limit.most:
        return f"inserts take ×{cost.mid:.1f} as long, allowed is ×{limit.most:g}"
    if cost.low > 1 and total.mid - 1 < (cost.mid - 1) * limit.worth:
        return f"×{total.mid:.2f} is too little for inserts that take ×{cost.mid:.2f} as long"
    return None


def needless(candidate: Candidate, total: Interval, cost: Interval | None) -> str | None:
    """Return why a column that nobody reads may as well stay: nobody gains when it goes."""
    if candidate.change.kind != "drop_column" or cost is None or total.low > 1:
        return None
    if cost.high < WRITERS_GAIN:
        return None
    return f"nobody gains: queries keep their pace and inserts take ×{cost.mid:.2f} as long"
