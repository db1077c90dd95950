"""Pictures of the report as inline SVG: bars before and after, ratios with their intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from html import escape

from api.scale import Scale, left_out, picked, times_scale
from api.wording import factor, gain, milliseconds, short
from tools.messages import Interval, QueryTiming

_ROW, TOP, LEFT, WIDTH, RIGHT = 46, 30, 252, 760, 96
POINT_ROW, POINT_RIGHT, _LABEL = 40, 150, 32

STYLE = """<style>
.pil{font:13px system-ui,sans-serif;max-width:760px;width:100%;height:auto;min-width:560px}
.pil text{fill:currentColor}.pil .sql{font-family:ui-monospace,monospace;font-size:12px}
.pil .quiet{opacity:.68}.pil .strong{font-weight:600}.pil .end{text-anchor:end}
.pil .middle{text-anchor:middle}.pil line{stroke:currentColor}.pil .grid{opacity:.16}
.pil .one{opacity:.6;stroke-dasharray:4 3}.pil .reach{opacity:.75;stroke-width:1.3}
.pil .before{fill:#8d96a0}.pil .after,.pil .better{fill:#0072b2}.pil .worse{fill:#d55e00}
.pil .draw{fill:none;stroke:currentColor;stroke-width:1.5}
.pil .worse-text{fill:#b34700;font-weight:600}
@media (prefers-color-scheme:dark){.pil .before{fill:#7d8793}
.pil .after,.pil .better{fill:#56b4e9}.pil .worse{fill:#ff9d4d}.pil .worse-text{fill:#ffb069}}
</style>"""


def label(middle: float, text: str) -> str:
    """Return a label of at most two lines around `middle`; the whole text shows on hover."""
    lines = textwrap.wrap(short(text, 2000), _LABEL, max_lines=2, placeholder="…")
    top = middle + 4 - 7.5 * (len(lines) - 1)
    spans = "".join(
        f'<text class="sql end" x="{LEFT - 12}" y="{top + 15 * at:.1f}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    return f"<g><title>{escape(short(text, 2000))}</title>{spans}</g>"


def svg(height: float, title: str, body: Iterable[str]) -> str:
    """Return a picture of the report's look; `body` are elements."""
    name = escape(title)
    return (
        f'<svg class="pil" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" aria-label="{name}"><title>{name}</title>{STYLE}{"".join(body)}</svg>'
    )


def tick(x: float, bottom: float, text: str, style: str = "grid") -> str:
    """Return a line from the top to `bottom` with its label under it."""
    return (
        f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom:.1f}"/>'
        f'<text class="quiet middle" x="{x:.1f}" y="{bottom + 16:.1f}">{escape(text)}</text>'
    )


def svg_before_after(timings: Sequence[QueryTiming]) -> str:
    """Return a bar chart of each query's time before and after, with 95 % intervals."""
    shown = picked(timings)
    if not shown:
        return ""
    scale = times_scale(shown)
    room = WIDTH - LEFT - RIGHT - 60
    bottom = TOP + len(shown) * _ROW
    note = f"Time of one run{', log scale' if scale.log else ''}"
    more = left_out(timings, shown)
    parts = [_legend()]
    parts += [
        tick(LEFT + scale(v) * room, bottom, milliseconds(v) if v else "0") for v in scale.ticks()
    ]
    for at, timing in enumerate(shown):
        parts += _query_bars(timing, scale, room, TOP + at * _ROW)
    centre = LEFT + room / 2
    parts.append(f'<text class="quiet middle" x="{centre:.0f}" y="{bottom + 36}">{note}</text>')
    parts.append(f'<text class="quiet end" x="{LEFT - 12}" y="{bottom + 16}">{more}</text>')
    return svg(bottom + 44, "Time of each query before and after", parts)


def _legend() -> str:
    return (
        f'<rect class="before" x="{LEFT}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{LEFT + 17}" y="14">before</text>'
        f'<rect class="after" x="{LEFT + 74}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{LEFT + 91}" y="14">after</text>'
        f'<rect class="worse" x="{LEFT + 138}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{LEFT + 155}" y="14">after, slower</text>'
    )


def _query_bars(timing: QueryTiming, scale: Scale, room: float, top: float) -> list[str]:
    lost = timing.ratio.high < 1
    ratio = "worse-text" if lost else "strong" if timing.ratio.low > 1 else "quiet"
    return [
        label(top + 20, timing.sql),
        _one_bar("before", timing.before_ms, scale, room, top + 6),
        _one_bar("worse" if lost else "after", timing.after_ms, scale, room, top + 22),
        f'<text class="{ratio} end" x="{WIDTH - 4}" y="{top + 23:.1f}">'
        f"<title>{escape(gain(timing.ratio))}</title>{escape(factor(timing.ratio.mid))}</text>",
    ]


def _one_bar(style: str, value: Interval, scale: Scale, room: float, y: float) -> str:
    end, low, high = (LEFT + scale(v) * room for v in (value.mid, value.low, value.high))
    spread = f"{milliseconds(value.low)} to {milliseconds(value.high)}"
    return (
        f"<g><title>{escape(f'{milliseconds(value.mid)} ({spread})')}</title>"
        f'<rect class="{style}" x="{LEFT}" y="{y:.1f}" width="{max(end - LEFT, 1.5):.1f}" '
        f'height="13" rx="2"/>'
        f'<line class="reach" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 6.5:.1f}" '
        f'y2="{y + 6.5:.1f}"/><text class="quiet" x="{max(end, high) + 7:.1f}" '
        f'y="{y + 11:.1f}">{escape(milliseconds(value.mid))}</text></g>'
    )


def svg_ratio_intervals(items: Sequence[tuple[str, Interval]]) -> str:
    """Return the ratio of each item with its 95 % interval on a log axis, and a line at 1."""
    usable = [(n, i) for n, i in items if 0 < i.low <= i.high and math.isfinite(i.high)]
    if not usable:
        return ""
    low = min(0.8, *(i.low for _, i in usable)) * 0.97
    high = max(1.25, *(i.high for _, i in usable)) * 1.03
    room = WIDTH - LEFT - POINT_RIGHT
    bottom = TOP + len(usable) * POINT_ROW

    def place(value: float) -> float:
        return LEFT + math.log(value / low) / math.log(high / low) * room

    parts = [
        tick(place(v), bottom, factor(v), "one" if v == 1 else "grid")
        for v in _ratio_ticks(low, high)
    ]
    for at, (name, interval) in enumerate(usable):
        parts += _point(name, interval, [place(v) for v in _ends(interval)], TOP + at * POINT_ROW)
    one = place(1)
    parts.append(f'<text class="quiet" x="{one + 6:.1f}" y="15">faster →</text>')
    parts.append(f'<text class="quiet end" x="{one - 6:.1f}" y="15">← slower</text>')
    axis = "Time before / after, log scale; the line is the 95 % interval"
    centre = LEFT + room / 2
    parts.append(f'<text class="quiet middle" x="{centre:.0f}" y="{bottom + 36}">{axis}</text>')
    return svg(bottom + 44, "How many times faster, with 95 % intervals", parts)


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, min(max(interval.mid, interval.low), interval.high), interval.high


def _ratio_ticks(low: float, high: float) -> list[float]:
    steps = (1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_ones = [s * 10.0**p for p in powers for s in steps]
    fine = [0.8, 0.9, 1.25, 1.5] if high / low < 2.5 else []
    return [v for v in sorted({*round_ones, *fine}) if low <= v <= high]


def _point(name: str, interval: Interval, places: Sequence[float], top: float) -> list[str]:
    left, middle, right = places
    y = top + POINT_ROW / 2
    if interval.high < 1:
        mark = f'<rect class="worse" x="{middle - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
    else:
        style = "better" if interval.low > 1 else "draw"
        mark = f'<circle class="{style}" cx="{middle:.1f}" cy="{y:.1f}" r="5"/>'
    ink = "worse-text" if interval.high < 1 else "strong" if interval.low > 1 else "quiet"
    return [
        label(y, name),
        f'<line class="reach" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>{mark}',
        f'<text class="{ink} end" x="{WIDTH - 4}" y="{y + 4:.1f}">{escape(gain(interval))}</text>',
    ]
