"""Learning from answers: a judge out of the ledger, put into service by a person."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from graph.decisions import RECORDED, RecordedDecision, recorded
from graph.ledger import Ledger, now
from graph.settings import Settings
from tools.lazy import lazy
from tools.slm.dataset import Dataset, Example, make_dataset
from tools.slm.errors import BadModel, ModelError
from tools.slm.evaluation import Evaluation
from tools.slm.languages import Languages
from tools.slm.steps import Steps
from tools.slm.store import About, Serving, Store

if TYPE_CHECKING:
    from tools.slm import card, training
else:
    # Only training needs scikit-learn, which takes seconds to import.
    card, training = lazy("tools.slm.card"), lazy("tools.slm.training")

RULES = "rules"
MOST_BYTES = 200_000_000
"""Of a file with answers; ten times what a hundred thousand answers take."""


class Learned(NamedTuple):
    """A judge that was trained and kept."""

    id: str
    trained: training.Trained
    dataset: Dataset
    resumed: int
    """Steps that an earlier, interrupted training had done."""


def store_of(settings: Settings) -> Store:
    """Return where the judges of a home are kept."""
    return Store(settings.home / "models" / "judges")


def languages_of(settings: Settings) -> Languages:
    """Return where the language models of a home are kept."""
    return Languages(settings.home / "models" / "language")


def dataset_of(decisions: Iterable[RecordedDecision]) -> Dataset:
    """Return answers as a training set; an edit is no approval of what was offered."""
    return make_dataset(
        Example(
            d.proposal_id, d.product, d.kind, d.facts, d.verdict == "approve", d.decided_at
        )
        for d in decisions
    )  # fmt: skip


def read_decisions(path: Path) -> Sequence[RecordedDecision]:
    """Read a file that `pillion log --decisions --json` wrote; raises `ModelError`."""
    how = "`pillion log --decisions --json` writes such a file."
    if not path.is_file():
        raise ModelError(f"There is no file {path} with recorded answers; {how}")
    if path.stat().st_size > MOST_BYTES:
        raise ModelError(f"{path} is larger than {MOST_BYTES} bytes; {how}")
    try:
        return RECORDED.validate_json(path.read_bytes())
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ModelError(
            f"{path} holds no recorded answers: {where}: {first['msg']}. {how}"
        ) from exc


def learn(
    settings: Settings,
    decisions: Iterable[RecordedDecision],
    on_plan: Callable[[int], None] = lambda total: None,
    on_step: Callable[[str], None] = lambda name: None,
) -> Learned:
    """Train a judge, keep it with its card, and put nothing into service.

    Raises `ModelError` when there is too little to learn from.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ModelError(
            "Training needs scikit-learn, which is not installed: install pillion[train]. A judge"
            " that is trained already serves without it."
        )
    store, dataset = store_of(settings), dataset_of(decisions)
    steps = Steps(settings.home / "models" / "training" / dataset.digest[:16], on_step)
    serving = usable(store)
    trained = training.train(dataset, steps, store.load(serving) if serving else None, on_plan)
    about = About(
        made_at=now(), chosen=trained.chosen, evaluation=trained.evaluation, against=serving
    )
    judge_id = store.add(trained.judge, about, card.card(trained, dataset))
    steps.forget()
    return Learned(judge_id, trained, dataset, steps.resumed)


def decisions_of(ledger: Ledger, files: Iterable[Path] = ()) -> list[RecordedDecision]:
    """Return the answers of a ledger and of exported files together."""
    return [*recorded(ledger), *(d for path in files for d in read_decisions(path))]


def usable(store: Store) -> str | None:
    """Return the id of the serving judge; None where rules rank, or its file cannot be used."""
    try:
        serving = store.serving().id
        if serving is not None:
            store.load(serving)
    except BadModel:
        return None
    return serving


def promote(store: Store, ledger: Ledger, judge_id: str, person: str) -> None:
    """Let a judge serve that beats rules and what serves now; raises `ModelError` otherwise."""
    # What it is compared with has to serve until it does.
    with _change(store, ledger, person) as note:
        serving = usable(store)
        _check_better(store, judge_id, serving)
        note(store.with_judge(judge_id), "judge.promoted", judge_id, before=serving or RULES)


@contextmanager
def _change(store: Store, ledger: Ledger, person: str) -> Iterator[Callable[..., None]]:
    """Let the block note who serves next; that one does once the trail holds it."""
    with ledger.judge_changes(person) as append:
        _settle(store, ledger)

        def note(following: Serving, action: str, subject: str, **body: str) -> None:
            append(action, subject, change=store.prepare(following).key, **body)

        yield note
    settle(store, ledger)


def settle(store: Store, ledger: Ledger) -> None:
    """Carry out a change of who serves that the trail holds already; drop one that it does not."""
    if store.coming() is not None:
        with ledger.judge_changes("pillion"):
            _settle(store, ledger)


def _settle(store: Store, ledger: Ledger) -> None:
    """Do so while nobody else may change it."""
    coming = store.coming()
    if coming is not None and ledger.has_judge_change(coming.key):
        store.serve(coming.serving)
    store.drop_coming()


def _check_better(store: Store, judge_id: str, serving: str | None) -> None:
    about = store.version(judge_id).about
    store.load(judge_id)
    if about is None:
        raise ModelError(f"Nothing is known of how good {judge_id} is; train it again.")
    if serving == judge_id:
        raise ModelError(f"{judge_id} serves already.")
    if serving not in (None, about.against):
        compared = about.against or "rules"
        raise ModelError(
            f"{judge_id} was compared with {compared}, but {serving} serves now; train again, or"
            " go back with `pillion model undo`."
        )
    lost = [r for r in _rivals(serving) if not about.evaluation.beats(r)]
    if lost:
        raise ModelError(
            f"{judge_id} is not shown to be better than {' and '.join(lost)}"
            f" ({_margins(about.evaluation, lost)}). A judge serves only when its Brier score on"
            " held-out answers is better with an interval that excludes 0; answer more proposals"
            " and train again."
        )


def _rivals(serving: str | None) -> tuple[str, ...]:
    return (RULES,) if serving is None else (RULES, "serving")


def _margins(found: Evaluation, rivals: Iterable[str]) -> str:
    told = []
    for rival in rivals:
        ahead = found.ahead.get(rival, {}).get("brier")
        shown = f"{ahead.value:.3f}, {ahead.low:.3f} to {ahead.high:.3f}" if ahead else "unknown"
        told.append(f"ahead of {rival} by {shown}")
    return "; ".join(told)


def take_back(store: Store, ledger: Ledger, person: str) -> Serving:
    """Let what served before serve again; raises `ModelError` when nothing did."""
    with _change(store, ledger, person) as note:
        left, found = store.serving().id, store.without_last()
        note(found, "judge.undone", left or RULES, now=found.id or RULES)
    return found
