"""Readable numbers, the same wherever they are told."""

from __future__ import annotations

import math

from tools.messages import Expected, Interval

MISSING = "–"
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 table, 2 tables, 1,204 queries."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _trimmed(value: float, digits: int) -> str:
    number = f"{value:,.{digits}f}"
    return number.rstrip("0").rstrip(".") if "." in number else number


def ratio_number(value: float) -> str:
    """Return a ratio without its sign: 1.8, 0.82, 0.998, 12."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if 0.995 <= value <= 1.005:
        return _trimmed(value, 3)
    if 0 < value < 0.1:
        # Two digits that count: nothing is ×0 as fast.
        return _trimmed(value, 1 - math.floor(math.log10(value)))
    return _trimmed(value, 2 if value < 2 else 1 if value < 20 else 0)


def factor(value: float) -> str:
    """Return how many times faster: ×1.8."""
    return MISSING if math.isnan(value) else f"×{ratio_number(value)}"


def between(interval: Interval) -> str:
    """Return the bounds of an interval: 1.7–1.9."""
    return f"{ratio_number(interval.low)}–{ratio_number(interval.high)}"


def gain(interval: Interval | None) -> str:
    """Return a ratio with its interval: ×1.8 (1.7–1.9)."""
    return MISSING if interval is None else f"{factor(interval.mid)} ({between(interval)})"


def foreseen(expected: Expected) -> str:
    """Return what a gain is expected to be later: ×1.5–2.1 in the next 30 days."""
    when = f"in the next {counted(expected.days, 'day')}" if expected.days else "later"
    return f"×{between(expected.ratio)} {when}"


def milliseconds(value: float) -> str:
    """Return a duration with the unit that reads best: 85 µs, 12.3 ms, 1.25 s, 2 min 5 s."""
    if not math.isfinite(value):
        return MISSING
    for scale, unit in ((1e-3, "µs"), (1.0, "ms"), (1e3, "s")):
        amount = value / scale
        limit = 60 if unit == "s" else 999.5
        if amount < limit:
            return f"{_trimmed(amount, 2 if amount < 10 else 1 if amount < 100 else 0)} {unit}"
    minutes, seconds = divmod(round(value / 1e3), 60)
    return f"{minutes:,} min {seconds} s" if seconds else f"{minutes:,} min"


def size(count: float) -> str:
    """Return a number of bytes: 4.5 MB."""
    sign, amount, unit = ("-" if count < 0 else ""), abs(float(count)), 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{sign}{_trimmed(amount, 1 if unit and amount < 100 else 0)} {_SIZES[unit]}"


def size_change(before: int, after: int) -> str:
    """Return by how much the stored size changes: -1.2 MB, +300 kB, same."""
    if before == after:
        return "same" if before else MISSING
    return f"{'+' if after > before else ''}{size(after - before)}"


def _more(ratio: float) -> str:
    if not math.isfinite(ratio):
        return MISSING
    if ratio >= 10:
        return factor(ratio)
    percent = round((ratio - 1) * 100)
    return "same" if percent == 0 else f"{percent:+d} %"


def cost(interval: Interval | None) -> str:
    """Return what an insert costs more or less: +3 %, -12 %, ×12."""
    return MISSING if interval is None else _more(interval.mid)


def cost_bounds(interval: Interval) -> str:
    """Return the bounds of an insert's cost: +1 % to +5 %."""
    return f"{_more(interval.low)} to {_more(interval.high)}"


def share(value: float) -> str:
    """Return a share of the whole: 12 %, <1 %."""
    if not math.isfinite(value):
        return MISSING
    return "<1 %" if 0 < value < 0.01 else f"{round(value * 100)} %"
