"""What pictures show and on what scale: which queries, linear or logarithmic, which ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tools.messages import QueryTiming

LOG_ABOVE = 50.0
SHOWN = 16


class Scale:
    """Maps positive numbers to 0..1, by logarithm when they lie far apart."""

    def __init__(self, values: Iterable[float]) -> None:
        usable = [v for v in values if math.isfinite(v) and v > 0] or [1.0]
        self.low, self.high = min(usable), max(usable)
        self.log = self.high / self.low > LOG_ABOVE
        self.start = self.low / 2 if self.log else 0.0

    def __call__(self, value: float) -> float:
        """Return where `value` stands between the start and the end of the axis."""
        if not math.isfinite(value) or value <= self.start:
            return 0.0
        if not self.log:
            return min(value / self.high, 1.0)
        return min(math.log(value / self.start) / math.log(self.high / self.start), 1.0)

    def ticks(self) -> list[float]:
        """Return a handful of round numbers on the axis."""
        if self.log:
            first, last = math.ceil(math.log10(self.start)), math.floor(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        step = next(s for s in (step / 5, step / 2, step, step * 2) if self.high / s <= 5)
        return [step * count for count in range(math.floor(self.high / step) + 1)]


def picked(timings: Sequence[QueryTiming], limit: int = SHOWN) -> list[QueryTiming]:
    """Return at most `limit` queries, most gained first; certain losers keep a place."""
    usable = [t for t in timings if t.error is None and math.isfinite(t.ratio.mid)]
    ranked = sorted(usable, key=lambda t: -t.ratio.mid)
    if len(ranked) <= limit:
        return ranked
    losers = [t for t in ranked if t.ratio.high < 1][-limit // 2 :]
    kept = [t for t in ranked if t not in losers][: limit - len(losers)]
    return kept + losers


def left_out(timings: Sequence[QueryTiming], shown: Sequence[QueryTiming]) -> str:
    """Return how many queries a picture leaves out, in words; empty when none."""
    return f"and {len(timings) - len(shown)} more" if len(timings) > len(shown) else ""


def times_scale(timings: Sequence[QueryTiming]) -> Scale:
    """Return one scale for all times before and after."""
    return Scale(i.mid for t in timings for i in (t.before_ms, t.after_ms))
