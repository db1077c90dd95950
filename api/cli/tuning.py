"""Tuning a language model at the command line: progress with loss and time left, list, card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from api.cli.shell import err, out, print_json, tell
from api.wording import taken
from graph.settings import Settings
from tools.lazy import lazy
from tools.slm.errors import BadModel

if TYPE_CHECKING:
    from graph import decisions, tuning
    from graph import learning as judging
    from graph import ledger as ledgers
    from tools.slm.tuning import card, comparison, learning, lora, shape
else:
    # `pillion --help` has no use for them.
    tuning, judging = lazy("graph.tuning"), lazy("graph.learning")
    card, learning = lazy("tools.slm.tuning.card"), lazy("tools.slm.tuning.learning")
    comparison, shape = lazy("tools.slm.tuning.comparison"), lazy("tools.slm.tuning.shape")

ADAPTER_ID = re.compile(r"a[0-9a-f]{12}")
SECONDS = 60


class Wanted(NamedTuple):
    """What was asked for."""

    base: str | None
    minutes: float | None
    batch: int
    curve: bool
    rounds: int


class _Bars:
    """One bar for the steps of training, with loss and time left, and one for the reading after."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._trainings: dict[str, TaskID] = {}
        self._reading = progress.add_task("Reading", total=None, visible=False)

    def plan(self, total: int) -> None:
        self._progress.update(self._reading, total=total)

    def trained(self, name: str, told: lora.Progress) -> None:
        if name not in self._trainings:
            self._trainings[name] = self._progress.add_task(name, total=told.of)
        said = f"{name}: loss {told.loss:.3f}, best {told.best:.3f}"
        self._progress.update(self._trainings[name], completed=told.step, description=said)

    def stepped(self, name: str) -> None:
        self._progress.update(self._reading, advance=1, description=name, visible=True)


def is_adapter(name: str) -> bool:
    """Return whether a name is that of an adapter."""
    return ADAPTER_ID.fullmatch(name) is not None


def tune(
    settings: Settings,
    ledger: ledgers.Ledger,
    answers: Sequence[decisions.RecordedDecision],
    wanted: Wanted,
    *,
    json: bool,
) -> None:
    """Tune a language model and say how it compares; raises `ModelError`."""
    tuning.check_installed()
    base = tuning.base_of(settings, wanted.base)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    quiet = json or not err.is_terminal
    with Progress(*columns, console=err, disable=quiet) as progress:
        bars = _Bars(progress)
        found = tuning.tune(
            settings, ledger, answers, base, _plan(wanted, bars), on_step=bars.stepped
        )
    if json:
        print_json(_document(found, base.name))
        return
    if found.tuned.fitted.resumed_at:
        tell(f"It went on at step {found.tuned.fitted.resumed_at}.")
    out.print(tuning.adapters_of(settings).card(found.id), markup=False, highlight=False)
    tell(card.verdict(found.tuned.widest))
    if found.judge is not None:
        tell(f"{found.judge} learned from it and is better. Next: pillion model use {found.judge}")


def _plan(wanted: Wanted, bars: _Bars) -> learning.Plan:
    plan = learning.Plan(
        pace=shape.Pace(batch=wanted.batch),
        curve=wanted.curve,
        rounds=wanted.rounds,
        on_plan=bars.plan,
        on_progress=bars.trained,
    )
    if wanted.minutes is None:
        return plan
    return plan._replace(seconds=wanted.minutes * SECONDS)


def _document(found: tuning.Kept, base: str) -> dict[str, Any]:
    fitted = found.tuned.fitted
    return {
        "id": found.id,
        "base": base,
        "dataset": found.dataset.digest,
        "contradictions": found.dataset.contradictions,
        "resumed_at": fitted.resumed_at,
        "training": fitted.standing.model_dump(mode="json"),
        "comparison": found.tuned.comparison.model_dump(mode="json"),
        "curve": {n: c.model_dump(mode="json") for n, c in found.tuned.curve.items()},
        "rounds": found.tuned.rounds and found.tuned.rounds.model_dump(mode="json"),
        "judge": found.judge,
        "verdict": card.verdict(found.tuned.widest),
    }


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Return the adapters of a home, oldest first, each with how good it is."""
    rows: list[dict[str, Any]] = []
    for version in tuning.adapters_of(settings).versions():
        about = version.about
        if about is None:
            damaged = "what was known of it is damaged"
            rows.append(
                {"id": version.id, "made_at": "?", "base": "?", "told": damaged, "memory": None}
            )
            continue
        accuracy = about.comparison.metrics[comparison.TUNED]["accuracy"]
        told = f"right {accuracy.value:.0%} of {about.comparison.held_out} held-out answers"
        made = f"{about.made_at:%Y-%m-%d %H:%M}"
        memory = tuning.memory_of(settings, version)
        told = f"over {about.base}, {told}, {taken(memory)}"
        rows.append(
            {"id": version.id, "made_at": made, "base": about.base, "told": told, "memory": memory}
        )
    return rows


def show(settings: Settings, adapter_id: str, *, json: bool) -> None:
    """Show an adapter's card after checking its files and the model it lies over."""
    store = tuning.adapters_of(settings)
    about = store.about(adapter_id)
    names = {m.name for m in judging.languages_of(settings).all()}
    base = judging.languages_of(settings).manifest(about.base) if about.base in names else None
    store.checked(adapter_id, base)
    if base is None:
        raise BadModel(f"{adapter_id} lies over {about.base}, which is not here any more.")
    memory = tuning.memory_of(settings, store.version(adapter_id))
    if json:
        print_json({"id": adapter_id, "memory": memory, **about.model_dump(mode="json")})
        return
    out.print(store.card(adapter_id), markup=False, highlight=False)
    tell(f"Loaded with {about.base}: {taken(memory)}.")
