"""Pictures of the report as inline SVG: bars before and after, ratios with their intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from html import escape

from api.scale import Scale, left_out, picked, times_scale
from api.wording import factor, gain, milliseconds, short
from tools.messages import Interval, QueryTiming

_ROW, _TOP, _LEFT, _WIDTH, _RIGHT = 46, 30, 252, 760, 96
_POINT_ROW, _POINT_RIGHT, _LABEL = 40, 150, 32

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


def _label(middle: float, text: str) -> str:
    """Return a label of at most two lines around `middle`; the whole text shows on hover."""
    lines = textwrap.wrap(short(text, 2000), _LABEL, max_lines=2, placeholder="…")
    top = middle + 4 - 7.5 * (len(lines) - 1)
    spans = "".join(
        f'<text class="sql end" x="{_LEFT - 12}" y="{top + 15 * at:.1f}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    return f"<g><title>{escape(short(text, 2000))}</title>{spans}</g>"


def _svg(height: float, title: str, body: Iterable[str]) -> str:
    name = escape(title)
    return (
        f'<svg class="pil" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'role="img" aria-label="{name}"><title>{name}</title>{STYLE}{"".join(body)}</svg>'
    )


def _tick(x: float, bottom: float, label: str, style: str = "grid") -> str:
    return (
        f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{bottom:.1f}"/>'
        f'<text class="quiet middle" x="{x:.1f}" y="{bottom + 16:.1f}">{escape(label)}</text>'
    )


def svg_before_after(timings: Sequence[QueryTiming]) -> str:
    """Return a bar chart of each query's time before and after, with 95 % intervals."""
    shown = picked(timings)
    if not shown:
        return ""
    scale = times_scale(shown)
    room = _WIDTH - _LEFT - _RIGHT - 60
    bottom = _TOP + len(shown) * _ROW
    note = f"Time of one run{', log scale' if scale.log else ''}"
    more = left_out(timings, shown)
    parts = [_legend()]
    parts += [
        _tick(_LEFT + scale(v) * room, bottom, milliseconds(v) if v else "0") for v in scale.ticks()
    ]
    for at, timing in enumerate(shown):
        parts += _query_bars(timing, scale, room, _TOP + at * _ROW)
    centre = _LEFT + room / 2
    parts.append(f'<text class="quiet middle" x="{centre:.0f}" y="{bottom + 36}">{note}</text>')
    parts.append(f'<text class="quiet end" x="{_LEFT - 12}" y="{bottom + 16}">{more}</text>')
    return _svg(bottom + 44, "Time of each query before and after", parts)


def _legend() -> str:
    return (
        f'<rect class="before" x="{_LEFT}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{_LEFT + 17}" y="14">before</text>'
        f'<rect class="after" x="{_LEFT + 74}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{_LEFT + 91}" y="14">after</text>'
        f'<rect class="worse" x="{_LEFT + 138}" y="4" width="11" height="11" rx="2"/>'
        f'<text class="quiet" x="{_LEFT + 155}" y="14">after, slower</text>'
    )


def _query_bars(timing: QueryTiming, scale: Scale, room: float, top: float) -> list[str]:
    lost = timing.ratio.high < 1
    ratio = "worse-text" if lost else "strong" if timing.ratio.low > 1 else "quiet"
    return [
        _label(top + 20, timing.sql),
        _one_bar("before", timing.before_ms, scale, room, top + 6),
        _one_bar("worse" if lost else "after", timing.after_ms, scale, room, top + 22),
        f'<text class="{ratio} end" x="{_WIDTH - 4}" y="{top + 23:.1f}">'
        f"<title>{escape(gain(timing.ratio))}</title>{escape(factor(timing.ratio.mid))}</text>",
    ]


def _one_bar(style: str, value: Interval, scale: Scale, room: float, y: float) -> str:
    end, low, high = (_LEFT + scale(v) * room for v in (value.mid, value.low, value.high))
    spread = f"{milliseconds(value.low)} to {milliseconds(value.high)}"
    return (
        f"<g><title>{escape(f'{milliseconds(value.mid)} ({spread})')}</title>"
        f'<rect class="{style}" x="{_LEFT}" y="{y:.1f}" width="{max(end - _LEFT, 1.5):.1f}" '
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
    room = _WIDTH - _LEFT - _POINT_RIGHT
    bottom = _TOP + len(usable) * _POINT_ROW

    def place(value: float) -> float:
        return _LEFT + math.log(value / low) / math.log(high / low) * room

    parts = [
        _tick(place(v), bottom, factor(v), "one" if v == 1 else "grid")
        for v in _ratio_ticks(low, high)
    ]
    for at, (name, interval) in enumerate(usable):
        parts += _point(name, interval, [place(v) for v in _ends(interval)], _TOP + at * _POINT_ROW)
    one = place(1)
    parts.append(f'<text class="quiet" x="{one + 6:.1f}" y="15">faster →</text>')
    parts.append(f'<text class="quiet end" x="{one - 6:.1f}" y="15">← slower</text>')
    axis = "Time before / after, log scale; the line is the 95 % interval"
    centre = _LEFT + room / 2
    parts.append(f'<text class="quiet middle" x="{centre:.0f}" y="{bottom + 36}">{axis}</text>')
    return _svg(bottom + 44, "How many times faster, with 95 % intervals", parts)


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
    y = top + _POINT_ROW / 2
    if interval.high < 1:
        mark = f'<rect class="worse" x="{middle - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
    else:
        style = "better" if interval.low > 1 else "draw"
        mark = f'<circle class="{style}" cx="{middle:.1f}" cy="{y:.1f}" r="5"/>'
    ink = "worse-text" if interval.high < 1 else "strong" if interval.low > 1 else "quiet"
    return [
        _label(y, name),
        f'<line class="reach" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>{mark}',
        f'<text class="{ink} end" x="{_WIDTH - 4}" y="{y + 4:.1f}">{escape(gain(interval))}</text>',
    ]
