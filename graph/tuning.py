"""Tuning a language model on answers: an adapter out of the ledger, kept with what it proved."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graph.decisions import RecordedDecision, facts_of
from graph.judging import history_of
from graph.learning import dataset_of, languages_of, store_of, usable
from graph.ledger import Ledger, now
from graph.settings import Settings
from tools.lazy import lazy
from tools.slm.dataset import Dataset, Example
from tools.slm.errors import ModelError
from tools.slm.languages import Manifest
from tools.slm.memory import mlx_bytes
from tools.slm.steps import OnStep, Steps
from tools.slm.store import About as JudgeAbout
from tools.slm.tuning.shape import WEIGHTS

if TYPE_CHECKING:
    from tools.slm import card as judge_card
    from tools.slm.tuning import adapters, card, comparison, learning
else:
    # They load MLX and scikit-learn, which only tuning needs.
    adapters, card = lazy("tools.slm.tuning.adapters"), lazy("tools.slm.tuning.card")
    learning = lazy("tools.slm.tuning.learning")
    comparison = lazy("tools.slm.tuning.comparison")
    judge_card = lazy("tools.slm.card")

NEEDS = {"mlx": "model", "mlx_lm": "model", "tokenizers": "model", "sklearn": "train"}
"""What tuning needs, and the extra that brings it."""


class Kept(NamedTuple):
    """An adapter that was tuned and kept."""

    id: str
    tuned: learning.Tuned
    dataset: Dataset
    judge: str | None
    """A judge that learned from it and is better for certain; None where it is not."""


def adapters_of(settings: Settings) -> adapters.Adapters:
    """Return where the adapters of a home are kept."""
    return adapters.Adapters(settings.home / "models" / "adapters")


def memory_of(settings: Settings, adapter: adapters.Version) -> int | None:
    """Return about how many bytes an adapter takes with its model; None where that is not here."""
    models = languages_of(settings)
    if adapter.about is None or adapter.about.base not in {m.name for m in models.all()}:
        return None
    try:
        return mlx_bytes(Path(models.manifest(adapter.about.base).place), adapter.path)
    except (ModelError, OSError):
        return None


def base_of(settings: Settings, name: str | None) -> Manifest:
    """Return the model to be tuned, after checking its files: the one in use by default.

    Raises `ModelError` where there is none.
    """
    models = languages_of(settings)
    wanted = name or models.used()
    if wanted is None:
        raise ModelError(
            "No language model is chosen to be tuned: `pillion model fetch`, then `pillion model"
            " use`. The judge on facts needs none: `pillion model train`."
        )
    models.checked(wanted)
    return models.manifest(wanted)


def check_installed() -> None:
    """Raise `ModelError` naming the extra that is missing."""
    for module, extra in NEEDS.items():
        if importlib.util.find_spec(module) is None:
            raise ModelError(f"Tuning needs {module}, which is not installed: pillion[{extra}].")


def unanswered(ledger: Ledger, dataset: Dataset) -> list[Example]:
    """Return what was proposed and never answered, as questions for a teacher."""
    found = []
    for offer in ledger.offers():
        if offer.decision is None or offer.decision.verdict == "expire":
            p, kind = offer.proposal, offer.proposal.change.kind
            here = [(e.kind, e.approved) for e in dataset.examples if e.product == p.product]
            past = history_of(here, kind)
            found.append(Example(p.id, p.product, kind, facts_of(p), False, now(), past))
    return found


def tune(
    settings: Settings,
    ledger: Ledger,
    decisions: Iterable[RecordedDecision],
    base: Manifest,
    plan: learning.Plan,
    on_step: OnStep = lambda name: None,
) -> Kept:
    """Tune a model, keep its adapter with its card, and put nothing into service.

    Raises `ModelError` when there is too little to learn from, or memory does not suffice.
    """
    check_installed()
    dataset = dataset_of(decisions)
    model = adapters.base_hash(base)
    told = f"{dataset.digest} {model} {plan.shape} {plan.pace}"
    key = hashlib.sha256(told.encode()).hexdigest()[:16]
    folder = settings.home / "models" / "training" / f"tuning-{key}"
    steps = Steps(folder / "steps", on_step)
    serving = usable(store_of(settings))
    if serving is not None:
        plan = plan._replace(serving=store_of(settings).load(serving))
    tuned = learning.tune(
        dataset, Path(base.place), folder, plan, steps, unanswered(ledger, dataset)
    )  # fmt: skip
    adapter_id = adapters_of(settings).add(
        tuned.folder / WEIGHTS,
        _about(tuned, dataset, base, plan),
        card.card(tuned, dataset, base.name, plan.shape),
    )
    judge = keep_pupil(settings, tuned, adapter_id)
    shutil.rmtree(folder, ignore_errors=True)
    return Kept(adapter_id, tuned, dataset, judge)


def _about(
    tuned: learning.Tuned, dataset: Dataset, base: Manifest, plan: learning.Plan
) -> adapters.About:
    standing = tuned.fitted.standing
    return adapters.About(
        made_at=now(),
        base=base.name,
        base_hash=adapters.base_hash(base),
        dataset=dataset.digest,
        learned_from=tuned.learned_from,
        shape=plan.shape,
        pace=plan.pace,
        steps=standing.step,
        best_step=standing.best_step,
        ended=standing.ended,
        losses=standing.losses,
        seconds=standing.seconds,
        slope=tuned.slope,
        offset=tuned.offset,
        comparison=tuned.comparison,
        curve=tuned.curve,
        rounds=tuned.rounds,
    )


def keep_pupil(settings: Settings, tuned: learning.Tuned, adapter_id: str) -> str | None:
    """Keep the judge that the tuned model taught, where it is better for certain."""
    if not tuned.comparison.ahead_for_certain(comparison.TAUGHT):
        return None
    about = JudgeAbout(
        made_at=now(),
        chosen=f"taught by {adapter_id}",
        evaluation=tuned.evaluation,
        against=usable(store_of(settings)),
    )
    told = [f"# A judge taught by {adapter_id}", "", *judge_card.quality(tuned.evaluation)]
    return store_of(settings).add(tuned.student, about, "\n".join(told))
