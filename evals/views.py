"""Results as JSON-plain documents and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evals.bias import splits
from evals.comparison import leads, notes
from evals.gate import Moved
from evals.metrics import (
    acceptance_by,
    agreement,
    by_approver,
    measured,
    metrics,
    not_in_place,
)
from evals.page import chance, written
from evals.pooling import played_by, provenance
from evals.repeats import Agreement
from evals.results import ScenarioResult, SuiteResult
from evals.statistics import Estimate

WIDE = 24


def document(result: SuiteResult) -> dict[str, Any]:
    """Return a result with its metrics as one JSON document."""
    scenarios = result.scenarios
    pairs = [{**pair, "same": pair["same"].model_dump()} for pair in agreement(scenarios)]
    return {
        **result.model_dump(mode="json", exclude={"scenarios", "runs"}),
        **_provenance(result),
        "metrics": _plain(measured(scenarios)),
        "acceptance_by_kind": _plain(acceptance_by(scenarios, "kind")),
        "acceptance_by_family": _plain(acceptance_by(scenarios, "family")),
        "leads": {lead.baseline: lead.by._asdict() for lead in leads(scenarios)},
        "splits": [
            {"by": s.by, "acceptance": _plain(s.acceptance), "p": s.p} for s in splits(scenarios)
        ],
        "approvers": {name: _plain(found) for name, found in by_approver(scenarios).items()},
        "agreement": pairs,
        "notes": notes(scenarios),
        "scenarios": [_scenario(s) for s in scenarios],
    }


def _provenance(result: SuiteResult) -> dict[str, Any]:
    """Return how many runs were pooled and what played them, where there is something to say."""
    if not provenance(result):
        return {}
    played = [
        {"scenarios": p.scenarios, "state": p.code and p.code.model_dump()}
        for p in played_by(result)
    ]
    return {"runs": result.runs, "code": played}


def _scenario(scenario: ScenarioResult) -> dict[str, Any]:
    """Return a scenario; one of before is written as it was then."""
    recorded = ("options", "code")
    missing = {name for name in recorded if getattr(scenario, name) is None}
    return scenario.model_dump(mode="json", exclude=missing)


def _plain(found: dict[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.model_dump() for name, estimate in found.items()}


def lines(result: SuiteResult) -> Iterator[str]:
    """Yield the metrics for a terminal."""
    unfinished = "" if result.complete else ", not finished"
    yield (
        f"{result.suite} suite: {len(result.scenarios)} scenarios, answered by"
        f" {result.approver}{unfinished}"
    )
    if origin := provenance(result):
        yield f"  {origin}"
    about = metrics()
    for name, estimate in measured(result.scenarios).items():
        yield f"  {name:<{WIDE}} {written(estimate):<34} {about[name].says}"
    for name, found in by_approver(result.scenarios).items():
        shares = "; ".join(f"{key} {written(estimate)}" for key, estimate in found.items())
        yield f"  {name:<{WIDE}} would: {shares}"
    yield from _said_of_baselines(result)
    for split in splits(result.scenarios):
        yield f"  {'by ' + split.by:<{WIDE}} {chance(split.p)}"
    for scenario in result.scenarios:
        if scenario.failure:
            yield f"  failed: {scenario.name}: {scenario.failure}"
        for gone in not_in_place([scenario]):
            why = f"{gone.outcome or 'no outcome'}: {gone.outcome_detail}".rstrip(": ")
            yield f"  not in place: {scenario.name}: {gone.kind} {gone.target}: {why}"


def _said_of_baselines(result: SuiteResult) -> Iterator[str]:
    for lead in leads(result.scenarios):
        by = f"{lead.by.value:+.2f} ({lead.by.low:+.2f} to {lead.by.high:+.2f})"
        yield f"  ahead of {lead.baseline} in acceptance by {by}"
    for note in notes(result.scenarios):
        yield f"  note: {note}"


def agreement_document(found: Agreement) -> dict[str, Any]:
    """Return the agreement of two runs as JSON-plain values."""
    shares = {n: e for n, e in found._asdict().items() if isinstance(e, Estimate)}
    return {**_plain(shares), "apart": [idea._asdict() for idea in found.apart]}


def agreement_lines(found: Agreement) -> Iterator[str]:
    """Yield the agreement of two runs for a terminal."""
    told = (
        (found.verdicts, "the same verdict on an idea of either run"),
        (found.proposed, "an idea of either run proposed by both"),
        (found.silences, "a product left in peace by either run left by both"),
    )
    for estimate, says in told:
        if estimate is not None:
            yield f"  {written(estimate):<34} {says}"
    for idea in found.apart:
        yield f"  apart: {idea.scenario}: {idea.idea}: {idea.one} / {idea.other}"
    if found.verdicts is None:
        yield "  Neither run proposed anything."


def moved_document(moved: list[Moved]) -> list[dict[str, Any]]:
    """Return a comparison as JSON-plain values."""
    return [
        {
            "metric": m.metric,
            "earlier": m.earlier.model_dump(),
            "later": m.later.model_dump(),
            "difference": m.by._asdict(),
            "verdict": m.verdict,
        }
        for m in moved
    ]


def moved_lines(moved: list[Moved]) -> Iterator[str]:
    """Yield a comparison for a terminal."""
    for m in moved:
        by = f"{m.by.value:+.2f} ({m.by.low:+.2f} to {m.by.high:+.2f})"
        yield f"  {m.metric:<{WIDE}} {m.earlier.value:.2f} → {m.later.value:.2f}  {by}  {m.verdict}"
