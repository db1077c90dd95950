"""Whether a change that won its race is worth a person's time."""

from __future__ import annotations

from collections.abc import Sequence

from tools.messages import Candidate, Interval, Rehearsal
from tools.numbers import counted
from tools.product.measure import Pairing
from tools.product.statistics import interval_of
from tools.product.workload import Windows

LEAST_SAVED_MS = 0.2
"""A gain that no single run surely shows by this much ..."""
LEAST_SAVED_TOTAL_MS = 1000.0
"""... nor all recorded runs together by this much, is true and not worth a person's time."""
MONTH = 30
"""Days: of a longer log only the runs of a month count, or every gain would be worth it once."""
WRITERS_GAIN = 0.97
"""Inserts that take less than this of their time are a gain worth a question."""
NEUTRAL_LOSS = 0.98
"""What need not gain anything may not make the workload slower than this."""
UNSEEN_WORTH = 1 / 12
"""How much faster queries must get for each part that inserts nobody was seen to make slow down."""


def trifle(pairings: Sequence[Pairing], windows: Windows | None) -> str | None:
    """Return what little is saved, when neither one run nor a month's together save enough."""
    saved = [
        (interval_of([b - a for b, a in zip(p.before, p.after, strict=False)]), p.weight)
        for p in pairings
        if p.before and p.after and p.weight
    ]
    # Of many queries one saves much by chance, so each has to be sure; a sum evens that out.
    each = max((ms.low for ms, _ in saved), default=0.0)
    days = windows.days * windows.count if windows else 0
    total = sum(ms.mid * runs for ms, runs in saved) * MONTH / max(MONTH, days)
    if each >= LEAST_SAVED_MS or total >= LEAST_SAVED_TOTAL_MS:
        return None
    runs = "a month of the recorded runs" if days > MONTH else "all recorded runs"
    ms, s = max(each, 0.0), max(total, 0.0) / 1000
    return f"it surely saves {ms:.2f} ms a query, and about {s:.2f} s in {runs}"


def doubt(total: Interval, min_gain: float, neutral: bool) -> str | None:
    """Return why a workload that gets so much faster is no win; a neutral change may gain none."""
    shown = f"×{total.mid:.3f} ({total.low:.3f} to {total.high:.3f})"
    if neutral:
        return f"the workload becomes slower: {shown}" if total.high < NEUTRAL_LOSS else None
    if total.low > min_gain:
        return None
    told = "the gain is not clear"
    if total.high <= min_gain:
        told = "the workload becomes slower" if total.high < 1 else "the gain is too small"
    return f"{told}: {shown}, wanted above ×{min_gain:g}"


def refusal(most: float, rehearsal: Rehearsal, cost: Interval | None, exact: bool) -> str | None:
    """Return what a change that won its race must not do; `most` is what inserts may cost."""
    if not rehearsal.ok:
        return f"it cannot be undone exactly: {rehearsal.detail}"
    if not exact:
        return "the summary no longer agrees with its table after inserts"
    if cost is None:
        return None
    if cost.mid > most:
        return f"inserts take ×{cost.mid:.1f} as long, allowed is ×{most:g}"
    return None


def dear(
    total: Interval, cost: Interval | None, writes: int, doubted: str | None, neutral: bool = False
) -> str | None:
    """Return why a gain is not worth its slower inserts.

    Recorded writes count as the queries do: `doubted` is what is said against the gain with their
    time in it. Where none was recorded, only the two ratios can be weighed. What need not gain
    anything has nothing to weigh: its inserts may cost as little as its queries.
    """
    if cost is None or cost.low <= 1:
        return None
    if writes:
        told = counted(writes, "recorded write", "recorded writes")
        slow = f"inserts take ×{cost.mid:.2f} as long"
        return f"{slow}, and with {told} {doubted}" if doubted else None
    if neutral:
        lost = (cost.low - 1) * UNSEEN_WORTH > 1 / NEUTRAL_LOSS - 1
        return f"it gains nothing, and inserts take ×{cost.mid:.2f} as long" if lost else None
    if total.mid - 1 < (cost.mid - 1) * UNSEEN_WORTH:
        return f"×{total.mid:.2f} is too little for inserts that take ×{cost.mid:.2f} as long"
    return None


def needless(
    candidate: Candidate, total: Interval, cost: Interval | None, writes: int, min_gain: float
) -> str | None:
    """Return why a column that nobody reads may as well stay: nobody gains when it goes.

    Where no write was recorded, nobody is known who would, nor whether the loads fill it.
    """
    if candidate.change.kind != "drop_column" or total.low > min_gain:
        return None
    if not writes:
        return "nobody gains: queries keep their pace and no write was recorded"
    if cost is None or cost.high < WRITERS_GAIN:
        return None
    return f"nobody gains: queries keep their pace and inserts take ×{cost.mid:.2f} as long"
