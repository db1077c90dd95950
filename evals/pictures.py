"""Pictures of the report as inline SVG; each says in words what it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from evals.confidence import Point
from evals.statistics import Estimate

WIDTH, ROW, LABEL = 640, 26, 220
SQUARE, MARGIN, ROOM = 420, 48, 1.04
TICKS = (0.25, 0.5, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 100, 1000)
GREY, LIGHT, DARK, FAR = "#bbb", "#5b7fb5", "#1f3f73", "#b3261e"


def shares_picture(shares: Mapping[str, Estimate]) -> str:
    """Draw each share as a point on its interval between 0 and 1."""
    if not shares:
        return ""
    height = ROW * (len(shares) + 1)
    lines = [_row(number, name, estimate) for number, (name, estimate) in enumerate(shares.items())]
    ticks = [
        f'<text x="{_x(tick):.0f}" y="{height - 8}" text-anchor="middle" class="note">'
        f"{tick:.0%}</text>"
        for tick in (0, 0.25, 0.5, 0.75, 1)
    ]
    described = ", ".join(f"{name} {e.value:.0%}" for name, e in shares.items())
    return _svg(WIDTH, height, described, (*lines, *ticks))


def _svg(width: float, height: float, described: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" font-size="13"'
        f' aria-label="{escape(described)}">{"".join(parts)}</svg>'
    )


def _row(number: int, name: str, estimate: Estimate) -> str:
    y = ROW * number + ROW / 2
    return (
        f'<text x="0" y="{y + 4:.0f}">{escape(name)}</text>'
        f'<line x1="{_x(0):.0f}" x2="{_x(1):.0f}" y1="{y}" y2="{y}" stroke="#eee"/>'
        f'<line x1="{_x(estimate.low):.1f}" x2="{_x(estimate.high):.1f}" y1="{y}" y2="{y}"'
        f' stroke="{LIGHT}" stroke-width="5"/>'
        f'<circle cx="{_x(estimate.value):.1f}" cy="{y}" r="5" fill="{DARK}"/>'
    )


def _x(share: float) -> float:
    return LABEL + share * (WIDTH - LABEL - 30)


def calibration_picture(points: Sequence[Point]) -> str:
    """Draw measured gain against the oracle's, both on a log scale, with their intervals.

    On the line the two are equal. The light line is what was expected, the dark one in it what was
    measured; red where the expected interval misses the oracle's gain.
    """
    if not points:
        return ""
    edges = [e for p in points for e in (p.promised.low, p.promised.high)]
    edges += [e for p in points for e in (p.found.low, p.found.high)]
    scale = _Scale(math.log(min(0.9, *edges) / ROOM), math.log(max(1.1, *edges) * ROOM))
    held = sum(p.holds for p in points)
    described = (
        f"Measured gain against the gain on the later workload: {held} of {len(points)} expected"
        " intervals hold the later gain"
    )
    return _svg(SQUARE, SQUARE, described, (*_axes(scale), *(_cross(p, scale) for p in points)))


class _Scale(NamedTuple):
    """A log scale, the same in both directions."""

    low: float
    high: float

    def across(self, value: float) -> float:
        """Return how far right a value lies."""
        part = (math.log(value) - self.low) / (self.high - self.low)
        return MARGIN + part * (SQUARE - MARGIN - 20)

    def up(self, value: float) -> float:
        """Return how far down from the top a value lies."""
        return SQUARE - self.across(value)


def _axes(scale: _Scale) -> list[str]:
    least, most = math.exp(scale.low), math.exp(scale.high)
    ends = [(scale.across(v), scale.up(v)) for v in (least, most)]
    (left, bottom), (right, top) = ends
    parts = [
        f'<line x1="{left:.1f}" y1="{bottom:.1f}" x2="{right:.1f}" y2="{top:.1f}" stroke="{GREY}"'
        ' stroke-dasharray="4 3"/>'
    ]
    for tick in (t for t in TICKS if least <= t <= most):
        x, y = scale.across(tick), scale.up(tick)
        parts.append(
            f'<text x="{x:.0f}" y="{bottom + 18:.0f}" text-anchor="middle">×{tick:g}</text>'
            f'<text x="{left - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">×{tick:g}</text>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" stroke="#eee"/>'
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>'
        )
    parts.append(
        f'<text x="{right:.0f}" y="{SQUARE - 8}" text-anchor="end">measured by Pillion →</text>'
        f'<text x="{left:.0f}" y="{top - 6:.0f}">↑ on the later workload</text>'
    )
    return parts


def _cross(point: Point, scale: _Scale) -> str:
    x, y = scale.across(point.predicted.mid), scale.up(point.found.value)
    colour = DARK if point.holds else FAR
    told = f"{point.name}: measured ×{point.predicted.mid:.2f}, later ×{point.found.value:.2f}"
    return (
        f"<g><title>{escape(told)}</title>"
        f'<line x1="{scale.across(point.promised.low):.1f}"'
        f' x2="{scale.across(point.promised.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        f' stroke="{colour}" stroke-width="6" stroke-opacity="0.25"/>'
        f'<line x1="{scale.across(point.predicted.low):.1f}"'
        f' x2="{scale.across(point.predicted.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        f' stroke="{colour}" stroke-width="2"/>'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{scale.up(point.found.low):.1f}"'
        f' y2="{scale.up(point.found.high):.1f}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/></g>'
    )
