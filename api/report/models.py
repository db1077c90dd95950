"""The report on models as a page: one table, and one picture of quality and of learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from api.model_words import (
    COLUMNS,
    cells,
    headline,
    measured_with,
    quality_rows,
    written,
)
from api.report.html import document, scroll, table
from api.report.pictures import LEFT, TOP, WIDTH, label, svg, tick
from api.report.proposals import e
from tools.estimates import Estimate
from tools.slm.criteria.results import Candidate, ModelReport

_ROW, _ROOM, _RIGHT = 34, 330, 178
_CURVE, _SQUARE = 220, 470
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8d96a0")
NUMBERS = tuple(range(1, len(COLUMNS) - 2))


def models_page(report: ModelReport) -> str:
    """Return the report as an HTML document; every text in it is escaped."""
    rows = ([e(cell) for cell in cells(c)] for c in report.candidates)
    body = "".join(
        (
            f"<h1>Who says how likely a person is to approve</h1><p>{e(headline(report))}</p>",
            f'<p class="soft">{e(measured_with(report))}</p>',
            table(COLUMNS, rows, numbers=NUMBERS),
            _quality(report),
            _learning(report),
            _missing(report),
        )
    )
    return document("Pillion: models compared", body)


def _quality(report: ModelReport) -> str:
    found = quality_rows(report)
    if not found:
        return ""
    bottom = TOP + len(found) * _ROW
    parts = [tick(LEFT + v * _ROOM, bottom, f"{v:g}", "one" if v == 0.5 else "grid")
             for v in _TICKS]  # fmt: skip
    for at, (name, auc) in enumerate(found):
        parts += _interval(name, auc, TOP + at * _ROW + _ROW / 2)
    drawn = svg(bottom + 28, "AUC of each candidate, with 95 % intervals", parts)
    said = (
        "How often an approved proposal stands above a rejected one (AUC), on answers that nobody"
        " learned from. One half is chance; the line is the 95 % interval."
    )
    return f'<h2>Quality</h2><p class="soft">{said}</p>{scroll(drawn)}'


def _interval(name: str, auc: Estimate, y: float) -> list[str]:
    low, middle, high = (LEFT + v * _ROOM for v in (auc.low, auc.value, auc.high))
    style = "better" if auc.low > 0.5 else "draw"
    return [
        label(y, name),
        f'<line class="reach" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>',
        f'<circle class="{style}" cx="{middle:.1f}" cy="{y:.1f}" r="5"/>',
        f'<text class="quiet end" x="{WIDTH - 4}" y="{y + 4:.1f}">{escape(written(auc))}</text>',
    ]


def _learning(report: ModelReport) -> str:
    drawn = [c for c in report.candidates if any("auc" in p.metrics for p in c.curve)]
    most = max((p.answers for c in drawn for p in c.curve), default=0)
    if not most:
        return ""
    bottom = TOP + _CURVE
    parts = [_level(v) for v in _TICKS]
    parts += [tick(LEFT + a / most * _SQUARE, bottom, f"{a}") for a in _marks(most)]
    for at, candidate in enumerate(drawn):
        parts += _curve(candidate, most, at)
    height = bottom + 34 + 18 * len(drawn)
    picture = svg(height, "AUC by the number of answers that were learned from", parts)
    said = "AUC by the number of answers that were learned from; bars are 95 % intervals."
    return f'<h2>Learning</h2><p class="soft">{said}</p>{scroll(picture)}'


def _level(value: float) -> str:
    y = TOP + (1 - value) * _CURVE
    return (
        f'<line class="grid" x1="{LEFT}" x2="{LEFT + _SQUARE}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="quiet end" x="{LEFT - 8}" y="{y + 4:.1f}">{value:g}</text>'
    )


def _marks(most: int) -> list[int]:
    step = max(20, 20 * round(most / 100))
    return list(range(0, most + 1, step))


def _curve(candidate: Candidate, most: int, at: int) -> Iterator[str]:
    colour = _COLOURS[at % len(_COLOURS)]
    points = [(p.answers, p.metrics["auc"]) for p in candidate.curve if "auc" in p.metrics]
    # Neighbours stand a little apart, so that their intervals can be told apart.
    placed = [(LEFT + a / most * _SQUARE + 3 * at, auc) for a, auc in points]
    line = " ".join(f"{x:.1f},{_height(auc.value):.1f}" for x, auc in placed)
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    for x, auc in placed:
        yield (
            f'<g stroke="{colour}" fill="{colour}"><title>{e(candidate.name)}: {written(auc)}'
            f'</title><path d="M{x:.1f} {_height(auc.low):.1f}V{_height(auc.high):.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{_height(auc.value):.1f}" r="3.5"/></g>'
        )
    y = TOP + _CURVE + 36 + 18 * at
    yield f'<rect x="{LEFT}" y="{y - 9}" width="11" height="11" rx="2" fill="{colour}"/>'
    yield f'<text class="quiet" x="{LEFT + 18}" y="{y}">{e(candidate.name)}</text>'


def _height(value: float) -> float:
    return TOP + (1 - value) * _CURVE


def _missing(report: ModelReport) -> str:
    told: Sequence[str] = (
        *report.missing, *(f"{c.name}: {c.missing}" for c in report.candidates if c.missing)
    )  # fmt: skip
    if not told:
        return ""
    return f"<h2>What is missing</h2><ul>{''.join(f'<li>{e(line)}</li>' for line in told)}</ul>"
