"""The report on models: every candidate compared, and what could not be."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from graph.candidates.facts import judges, rules
from graph.candidates.ground import Ground
from graph.candidates.language import languages
from graph.decisions import RecordedDecision
from graph.learning import dataset_of, languages_of
from graph.ledger import now
from graph.settings import Settings
from graph.tuning import adapters_of
from tools.lazy import lazy
from tools.slm.criteria.deployment import machine, versions
from tools.slm.criteria.results import ModelReport
from tools.slm.criteria.samples import SEED
from tools.slm.dataset import Dataset
from tools.slm.errors import TooLittle
from tools.slm.steps import OnStep, Steps

if TYPE_CHECKING:
    from tools.slm.tuning import parts
else:
    # It loads scikit-learn, without which there is a report, too.
    parts = lazy("tools.slm.tuning.parts")


def report(
    settings: Settings, decisions: Iterable[RecordedDecision], on_step: OnStep = lambda name: None
) -> ModelReport:
    """Compare every candidate; what cannot be measured is said, with how to get it.

    What was measured is kept until the report is whole: a killed one goes on where it was.
    """
    dataset = dataset_of(decisions)
    key = hashlib.sha256(f"report {dataset.digest}".encode()).hexdigest()[:16]
    folder = settings.home / "models" / "training" / f"report-{key}"
    split, missing = _parts(dataset)
    ground = Ground(settings, dataset, split, Steps(folder, on_step), folder)
    candidates = (rules(ground), *judges(ground), *languages(ground))
    ground.steps.forget()
    held_out = split.held_out if split else []
    return ModelReport(
        made_at=now(),
        seed=SEED,
        machine=machine(),
        versions=versions(),
        dataset=dataset.digest if dataset.examples else None,
        answers=len(dataset.examples),
        held_out=len(held_out),
        products=len({e.product for e in held_out}),
        by=split.by if split else "",
        candidates=candidates,
        missing=(*missing, *_absent(settings)),
    )


def _parts(dataset: Dataset) -> tuple[parts.Parts | None, list[str]]:
    if importlib.util.find_spec("sklearn") is None:
        return None, ["Quality: scikit-learn is not installed; install pillion[train]."]
    try:
        return parts.parts_of(dataset), []
    except TooLittle as exc:
        how = "`pillion review` collects answers, `--decisions FILE` adds exported ones."
        return None, [f"Quality: {exc} {how}"]


def _absent(settings: Settings) -> Iterator[str]:
    if not languages_of(settings).all():
        yield "Language models: none is here; `pillion model fetch` gets one."
    elif not adapters_of(settings).versions():
        yield "Tuned model: none is here; `pillion model train --tune` makes one."
