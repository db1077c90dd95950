"""The report as one HTML file: pictures of the intervals, then every proposal with its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from evals.metrics import acceptance_by, agreement, by_approver, measured, metrics
from evals.results import Judged, ScenarioResult, SuiteResult
from evals.statistics import Estimate

WIDTH, ROW, LABEL = 640, 26, 200
COLOURS = {"good": "#2a7d4f", "neutral": "#7a7a7a", "harmful": "#b3261e", "undecided": "#b07d00"}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto }
.note { color: #555 }
"""


def page(result: SuiteResult) -> str:
    """Return the report."""
    found = measured(result.scenarios)
    shares = {n: e for n, e in found.items() if e.high <= 1 and n != "cpu_seconds"}
    title = f"Suggestions judged: the {result.suite} suite"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{len(result.scenarios)} scenarios, answered by {escape(result.approver)}."
        f"{'' if result.complete else ' <b>The run was not finished.</b>'} Bars are 95 % intervals."
        "</p>",
        picture(shares),
        _metric_table(found),
        _section("Acceptance by kind", acceptance_by(result.scenarios, "kind")),
        _section("Acceptance by family", acceptance_by(result.scenarios, "family")),
        _approvers(result.scenarios),
        _agreement(result.scenarios),
        "<h2>Scenarios</h2>",
        *map(_scenario, result.scenarios),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def picture(shares: Mapping[str, Estimate]) -> str:
    """Draw each share as a point on its interval between 0 and 1."""
    height = ROW * (len(shares) + 1)
    lines = [_row(number, name, estimate) for number, (name, estimate) in enumerate(shares.items())]
    ticks = [
        f'<text x="{_x(tick):.0f}" y="{height - 8}" text-anchor="middle" class="note">'
        f"{tick:.0%}</text>"
        for tick in (0, 0.25, 0.5, 0.75, 1)
    ]
    described = ", ".join(f"{name} {e.value:.0%}" for name, e in shares.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" font-size="13"'
        f' aria-label="{escape(described)}">{"".join(lines + ticks)}</svg>'
    )


def _row(number: int, name: str, estimate: Estimate) -> str:
    y = ROW * number + ROW / 2
    return (
        f'<text x="0" y="{y + 4:.0f}">{escape(name)}</text>'
        f'<line x1="{_x(0):.0f}" x2="{_x(1):.0f}" y1="{y}" y2="{y}" stroke="#eee"/>'
        f'<line x1="{_x(estimate.low):.1f}" x2="{_x(estimate.high):.1f}" y1="{y}" y2="{y}"'
        ' stroke="#5b7fb5" stroke-width="5"/>'
        f'<circle cx="{_x(estimate.value):.1f}" cy="{y}" r="5" fill="#1f3f73"/>'
    )


def _x(share: float) -> float:
    return LABEL + share * (WIDTH - LABEL - 30)


def written(estimate: Estimate) -> str:
    """Write a value with its interval and the cases behind it."""
    cases = f"{estimate.count} of {estimate.of}" if estimate.count is not None else estimate.of
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f}; {cases})"


def _metric_table(found: Mapping[str, Estimate]) -> str:
    about = metrics()
    rows = ((name, about[name].says, written(estimate)) for name, estimate in found.items())
    return _table(("metric", "is", "value (95 % interval; cases)"), rows)


def _section(title: str, found: Mapping[str, Estimate]) -> str:
    if not found:
        return ""
    rows = ((name, written(estimate)) for name, estimate in found.items())
    return f"<h2>{title}</h2>{picture(found)}{_table(('', 'good of all'), rows)}"


def _approvers(scenarios: tuple[ScenarioResult, ...]) -> str:
    rows = [
        (name, *(written(found[key]) if key in found else "–" for key in ("approved", "harm")))
        for name, found in by_approver(scenarios).items()
    ]
    table = _table(("approver", "would approve", "harmful among these"), rows)
    return f"<h2>Approvers</h2>{table}" if rows else ""


def _agreement(scenarios: tuple[ScenarioResult, ...]) -> str:
    rows = [
        (
            " and ".join(pair["approvers"]),
            written(pair["same"]),
            "by chance alone" if pair["kappa"] is None else f"{pair['kappa']:.2f}",
        )
        for pair in agreement(scenarios)
    ]
    table = _table(("approvers", "same answer", "Cohen's kappa"), rows)
    return f"<h2>Agreement between approvers</h2>{table}" if rows else ""


def _scenario(result: ScenarioResult) -> str:
    missed = [k for k in result.known if k not in result.found]
    about = [
        f"expects {result.expects}",
        f"missed: {', '.join(missed)}" if missed else "",
        f"reached ×{result.reached.value:.2f}" if result.reached else "",
        f"reachable ×{result.reachable.value:.2f}" if result.reachable else "",
        f"failed: {result.failure}" if result.failure else "",
        "" if result.proposals or result.explained else "silent without a reason",
    ]
    said = escape("; ".join(a for a in about if a))
    lost = "".join(f"<li>{escape(text)}</li>" for text in result.lost)
    tried = f'<p class="note">Tried and not proposed:</p><ul class="note">{lost}</ul>'
    return (
        f"<h3>{escape(result.name)}</h3><p>{said}</p>{_proposals(result.proposals)}"
        f"{tried if lost else ''}"
    )


def _proposals(proposals: tuple[Judged, ...]) -> str:
    if not proposals:
        return '<p class="note">Nothing was proposed.</p>'
    rows = (
        (
            f"{p.kind} {p.target}",
            p.verdict,
            p.judgement.reason,
            ", ".join(name for name, yes in p.approvals.items() if yes) or "nobody",
        )
        for p in proposals
    )
    return _table(("proposal", "oracle", "because", "approved by"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def cell(text: str) -> str:
        colour = COLOURS.get(text)
        style = f' style="color:{colour};font-weight:600"' if colour else ""
        return f"<td{style}>{escape(text)}</td>"

    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{h}</th>' for h in head)}</tr>{body}</table>"
