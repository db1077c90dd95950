"""The report as one HTML file: pictures of the intervals, then every proposal with its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from evals.bias import splits
from evals.comparison import COMPARED, leads, notes
from evals.confidence import points
from evals.duplication import ANSWERED, FORGETFUL, REMEMBERING
from evals.metrics import acceptance_by, agreement, by_approver, measured, metrics
from evals.pictures import calibration_picture, shares_picture
from evals.pooling import provenance
from evals.results import Effort, Judged, ScenarioResult, SuiteResult
from evals.statistics import Estimate

Scenarios = tuple[ScenarioResult, ...]
BESIDE = ("acceptance", "recall")
"""What is drawn of Pillion and each baseline."""
SECOND_RUNS = {
    ANSWERED: "after the answers",
    REMEMBERING: "after everything was refused",
    FORGETFUL: "the same without memory",
}
SIGNIFICANT = 0.05
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
    shares = {n: e for n, e in found.items() if e.count is not None and not _of_baseline(n)}
    title = f"Suggestions judged: the {result.suite} suite"
    origin = provenance(result)
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{len(result.scenarios)} scenarios, answered by {escape(result.approver)}."
        f"{'' if result.complete else ' <b>The run was not finished.</b>'} Bars are 95 % intervals."
        "</p>",
        f'<p class="note">{escape(origin)}</p>' if origin else "",
        shares_picture(shares),
        _metric_table(found),
        _calibration(result.scenarios),
        _baselines(found, result.scenarios),
        _effort(found, result.scenarios),
        _duplicates(result.scenarios),
        _section("Acceptance by kind", acceptance_by(result.scenarios, "kind")),
        _section("Acceptance by family", acceptance_by(result.scenarios, "family")),
        _bias(result.scenarios),
        _approvers(result.scenarios),
        _agreement(result.scenarios),
        "<h2>Scenarios</h2>",
        *map(_scenario, result.scenarios),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def written(estimate: Estimate) -> str:
    """Write a value with its interval and the cases behind it."""
    cases = f"{estimate.count} of {estimate.of}" if estimate.count is not None else estimate.of
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f}; {cases})"


def _metric_table(found: Mapping[str, Estimate]) -> str:
    about = metrics()
    rows = ((name, about[name].says, written(estimate)) for name, estimate in found.items())
    return _table(("metric", "is", "value (95 % interval; cases)"), rows)


def _of_baseline(name: str) -> bool:
    return name.startswith(COMPARED)


def _calibration(scenarios: Scenarios) -> str:
    found = list(points(scenarios))
    if not found:
        return ""
    return (
        "<h2>Measured and later gain</h2><p>Each proposal alone: as Pillion measured it, and as"
        " the oracle did on the later workload. Broad: what was to be expected; red where it misses"
        " the later gain."
        f"</p>{calibration_picture(found)}"
    )


def _baselines(found: Mapping[str, Estimate], scenarios: Scenarios) -> str:
    """Show Pillion and each baseline side by side."""
    names = [n for n in COMPARED if any(f"{n}_{key}" in found for key in BESIDE)]
    said = "".join(f"<li>{escape(note)}</li>" for note in notes(scenarios))
    if not names:
        return f'<h2>Baselines</h2><ul class="note">{said}</ul>' if said else ""
    drawn = {
        f"{key} of {name or 'Pillion'}": found[f"{name}_{key}".lstrip("_")]
        for key in BESIDE
        for name in ("", *names)
        if f"{name}_{key}".lstrip("_") in found
    }
    ahead = (
        (lead.baseline, f"{lead.by.value:+.2f} ({lead.by.low:+.2f} to {lead.by.high:+.2f})")
        for lead in leads(scenarios)
    )
    return (
        f"<h2>Baselines</h2>{shares_picture(drawn)}"
        f"{_table(('baseline', 'acceptance of Pillion minus its'), ahead)}"
        f'<ul class="note">{said}</ul>'
    )


def _effort(found: Mapping[str, Estimate], scenarios: Scenarios) -> str:
    if "actions" not in found:
        return ""
    rows = [
        (f"{s.name} {side}", *_told(effort))
        for s in scenarios
        for side, effort in (("with Pillion", s.with_pillion), ("by hand", s.by_hand))
        if effort is not None
    ]
    return (
        "<h2>A person's work</h2><p>Commands typed and executed, with Pillion and by hand; nobody's"
        " thinking is counted.</p>"
        f"{_table(('scenario', 'commands', 'characters', 'seconds', 'improvements'), rows)}"
    )


def _told(effort: Effort) -> tuple[str, ...]:
    typed = ", ".join(f"{count} {purpose}" for purpose, count in effort.actions.items())
    numbers = f"{effort.characters}", f"{effort.seconds:.1f}", f"{effort.improvements}"
    return typed, *numbers


def _duplicates(scenarios: Scenarios) -> str:
    rows = [
        (s.name, SECOND_RUNS[which], repeat)
        for s in scenarios
        for which, run in s.second_runs.items()
        for repeat in run.repeats
    ]
    table = _table(("scenario", "second run", "offered again"), rows)
    return f"<h2>Offered again</h2>{table}" if rows else ""


def _bias(scenarios: Scenarios) -> str:
    return "".join(
        f"{_section(f'Acceptance by {split.by}', split.acceptance)}<p>{escape(chance(split.p))}</p>"
        for split in splits(scenarios)
        if split.by != "kind"
    )


def chance(p: float | None) -> str:
    """Say whether shares lie further apart than chance parts them."""
    if p is None:
        return "no difference to test"
    found = "a difference" if p < SIGNIFICANT else "no difference beyond chance"
    return f"{found} (permutation test, p = {p:.3f})"


def _section(title: str, found: Mapping[str, Estimate]) -> str:
    if not found:
        return ""
    rows = ((name, written(estimate)) for name, estimate in found.items())
    return f"<h2>{title}</h2>{shares_picture(found)}{_table(('', 'good of all'), rows)}"


def _approvers(scenarios: Scenarios) -> str:
    keys = ("approved", "harm", "abstained")
    rows = [
        (name, *(written(found[key]) if key in found else "–" for key in keys))
        for name, found in by_approver(scenarios).items()
    ]
    table = _table(("approver", "would approve", "harmful among these", "no answer"), rows)
    return f"<h2>Approvers</h2>{table}" if rows else ""


def _agreement(scenarios: Scenarios) -> str:
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
    spare = result.superseded or ()
    missed = [k for k in result.known if k not in (*result.found, *spare)]
    about = [
        f"expects {result.expects}",
        f"missed: {', '.join(missed)}" if missed else "",
        f"nothing left to gain by: {', '.join(spare)}" if spare else "",
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
            ": ".join(filter(None, (p.outcome, p.outcome_detail))),
        )
        for p in proposals
    )
    return _table(("proposal", "oracle", "because", "approved by", "outcome"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def cell(text: str) -> str:
        colour = COLOURS.get(text)
        style = f' style="color:{colour};font-weight:600"' if colour else ""
        return f"<td{style}>{escape(text)}</td>"

    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{h}</th>' for h in head)}</tr>{body}</table>"
