"""The report on models in words and numbers, the same in the terminal and on the page."""

from __future__ import annotations

from api.wording import MISSING, counted, size
from tools.estimates import Estimate
from tools.slm.criteria.results import Candidate, ModelReport

COLUMNS = (
    "candidate", "AUC", "Brier score", "accuracy", "on disk", "memory", "one score, p50 / p95",
    "learns from", "needs", "hostile text moves P by",
)  # fmt: skip


def written(found: Estimate | None) -> str:
    """Write a value with its interval."""
    if found is None:
        return MISSING
    return f"{found.value:.2f} ({found.low:.2f}–{found.high:.2f})"


def cells(candidate: Candidate) -> tuple[str, ...]:
    """Return one row of the table."""
    quality = (written(candidate.quality.get(m)) for m in ("auc", "brier", "accuracy"))
    cost = candidate.cost
    memory = size(cost.memory) if cost else MISSING
    speed = MISSING
    if cost:
        processor = f"{_ms(cost.processor_ms)} of the processor"
        speed = f"{_ms(cost.p50_ms)} / {_ms(cost.p95_ms)}; {processor}"
    return (
        candidate.name, *quality, size(candidate.disk) if candidate.disk else "nothing", memory,
        speed, _learning(candidate), _needs(candidate), _hostile(candidate),
    )  # fmt: skip


def _ms(value: float) -> str:
    if value < 0.1:
        return f"{value * 1000:.1f} µs"
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def _learning(candidate: Candidate) -> str:
    points = [p for p in candidate.curve if "auc" in p.metrics]
    if not points:
        return MISSING
    return ", ".join(f"{p.answers}: {p.metrics['auc'].value:.2f}" for p in points)


def _needs(candidate: Candidate) -> str:
    deployment = candidate.deployment
    packages = f", {size(deployment.packages)}" if deployment.packages else ""
    return f"{'; '.join(deployment.needs)}{packages}; {deployment.platforms}"


def _hostile(candidate: Candidate) -> str:
    found = candidate.injection
    if not found.tried:
        return "0: reads no text" if not candidate.missing else MISSING
    return (
        f"0: is given no text; given it, {found.mean:.2f} on average, {found.most:.2f} at most,"
        f" {found.flipped:.0%} of answers turned"
    )


def stacked(candidate: Candidate) -> tuple[str, str, str, str]:
    """Return one row for a narrow terminal: name, quality, what it takes, what it needs."""
    name, auc, brier, accuracy, disk, memory, speed, learns, needs, hostile = cells(candidate)
    quality = f"AUC {auc}\nBrier {brier}\nright {accuracy}"
    takes = f"{disk} on disk\n{memory} memory\n{speed}"
    more = f"{needs}\nhostile text: {hostile}"
    if learns != MISSING:
        more += f"\nAUC by answers: {learns}"
    return name, quality, takes, more


def quality_rows(report: ModelReport) -> list[tuple[str, Estimate]]:
    """Return the AUC of each candidate that has one, the best first."""
    found = [(c.name, c.quality["auc"]) for c in report.candidates if "auc" in c.quality]
    return sorted(found, key=lambda row: -row[1].value)


def headline(report: ModelReport) -> str:
    """Say in a sentence who judges best."""
    rated = [c for c in report.candidates if "brier" in c.quality]
    if not rated:
        count = counted(len(report.candidates), "candidate", "candidates")
        return f"{count}; without enough answers nobody's quality is known."
    best = min(rated, key=lambda c: c.quality["brier"].value)
    return (
        f"{best.name} has the lowest Brier score, {written(best.quality['brier'])}, on"
        f" {counted(report.held_out, 'held-out answer')} about"
        f" {counted(report.products, 'product')}, by {report.by}."
    )


def measured_with(report: ModelReport) -> str:
    """Say when, on which answers and with what it was measured."""
    made = (*report.machine.items(), *report.versions.items())
    told = ", ".join(f"{name} {value}" for name, value in made)
    answers = f"answers {report.dataset[:16]}" if report.dataset else "no answers"
    when = f"{report.made_at:%Y-%m-%d %H:%M}"
    return f"Measured {when} with {answers}, seed {report.seed}: {told}."
