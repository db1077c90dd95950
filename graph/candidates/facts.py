"""Rules and judges on facts as candidates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graph.candidates.ground import Ground, Metrics
from graph.learning import store_of, usable
from tools.lazy import lazy
from tools.slm.criteria.deployment import deployment_of
from tools.slm.criteria.probe import Asked
from tools.slm.criteria.results import NO_TEXT, Candidate, Point
from tools.slm.steps import write_whole
from tools.slm.store import JUDGE as FILE
from tools.slm.tuning.comparison import JUDGE, RULES, TAUGHT

if TYPE_CHECKING:
    from tools.slm import dataset, fitting, training
    from tools.slm.criteria import adaptation
else:
    # Only with answers is anything learned.
    dataset, training = lazy("tools.slm.dataset"), lazy("tools.slm.training")
    adaptation, fitting = lazy("tools.slm.criteria.adaptation"), lazy("tools.slm.fitting")


def rules(ground: Ground) -> Candidate:
    """Return what ranks where nothing was learned."""
    quality, curve = Metrics(), tuple[Point, ...]()
    if ground.parts:
        held_out, known = ground.parts.held_out, _known(ground)
        quality = ground.quality(training.rules(known, held_out))
        curve = tuple(adaptation.curve(known, held_out, adaptation.by_rules(held_out)))
    return Candidate(
        name=RULES, form="rules", about="the certain saving alone, calibrated on answers",
        disk=0, cost=ground.cost(Asked(form="rules"), RULES), quality=quality, curve=curve,
        deployment=deployment_of("rules"), injection=NO_TEXT,
    )  # fmt: skip


def _known(ground: Ground) -> list[dataset.Example]:
    return [ground.dataset.examples[i] for i in dataset.split(ground.dataset).train]


def judges(ground: Ground) -> Iterator[Candidate]:
    """Yield the judge learned from these answers, or else the one that serves; and pupils."""
    if ground.parts is None:
        yield from _serving(ground)
        return
    trained = training.train(ground.dataset, ground.steps)
    path = ground.folder / FILE
    write_whole(path, trained.judge.model_dump_json())
    quality = dict(trained.evaluation.metrics["judge"])
    judge = _judge(ground, JUDGE, f"facts, {trained.chosen}", path, quality)
    yield judge.model_copy(update={"curve": tuple(_curve(ground, trained.chosen))})
    for version, about in ground.adapters():
        told = {"about": "facts, and lessons of the tuned model", "name": f"{TAUGHT} {version.id}"}
        yield judge.model_copy(
            update=told | {"quality": dict(about.comparison.metrics[TAUGHT])}
        )  # fmt: skip


def _curve(ground: Ground, chosen: str) -> Iterator[Point]:
    assert ground.parts is not None
    way = next(w for w in fitting.candidates() if w.name == chosen)
    held_out = ground.parts.held_out
    kept = ground.steps.of("learning curve", lambda: [
        p.model_dump(mode="json")
        for p in adaptation.curve(_known(ground), held_out, adaptation.by_judge(way, held_out))
    ])  # fmt: skip
    return (Point.model_validate(p) for p in kept)


def _serving(ground: Ground) -> Iterator[Candidate]:
    store = store_of(ground.settings)
    serving = usable(store)
    if serving is not None:
        path = store.version(serving).path / FILE
        yield _judge(ground, serving, "facts; it serves", path, Metrics())


def _judge(ground: Ground, name: str, about: str, path: Path, quality: Metrics) -> Candidate:
    asked = Asked(form="judge", path=str(path))
    return Candidate(
        name=name, form="judge", about=about, disk=path.stat().st_size,
        cost=ground.cost(asked, name), quality=quality, deployment=deployment_of("judge"),
        injection=NO_TEXT,
    )  # fmt: skip
