"""Tuning a language model as judge, and holding it against every other on the same answers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.slm.dataset import Dataset, Example
from tools.slm.evaluation import Evaluation, evaluate
from tools.slm.fitting import Candidate, candidates
from tools.slm.judge import Judge
from tools.slm.steps import Steps
from tools.slm.training import FOLDS, logistic, rules, table, train
from tools.slm.tuning.bench import Said, calibrated, lent, said
from tools.slm.tuning.comparison import (
    JUDGE,
    RULES,
    SHOWN,
    STACKED,
    TAUGHT,
    TUNED,
    UNTUNED,
    Comparison,
    compare,
)  # fmt: skip
from tools.slm.tuning.lora import Fitted, Progress
from tools.slm.tuning.parts import Parts, parts_of, rounds_of
from tools.slm.tuning.prompts import shots_of
from tools.slm.tuning.reading import read, steps_of
from tools.slm.tuning.rounds import in_rounds
from tools.slm.tuning.shape import Pace, Shape
from tools.slm.tuning.students import MOST, blended, stacked, taught
from tools.slm.tuning.tuner import Tuner

SIZES = (40, 80, 160, 320, 640)
"""Answers of the learning curve."""


class Plan(NamedTuple):
    """How it is tuned, and who is told how far it is."""

    shape: Shape = Shape()
    pace: Pace = Pace()
    seconds: float = math.inf
    """After so long training ends with the best until then."""
    curve: bool = False
    """Whether it is also tuned on fewer answers."""
    rounds: int = 0
    """In how many rounds it is also tuned, which together hold out every product once."""
    serving: Judge | None = None
    """The judge that serves: what the student is held against, besides rules."""
    ways: Sequence[Candidate] = ()
    """How the judge on facts may learn; all ways by default."""
    on_plan: Callable[[int], None] = lambda total: None
    on_progress: Callable[[str, Progress], None] = lambda name, progress: None


class Tuned(NamedTuple):
    """A tuned model, and how it compares."""

    folder: Path
    """Where its adapter lies until it is kept."""
    fitted: Fitted
    slope: float
    offset: float
    learned_from: int
    comparison: Comparison
    curve: Mapping[str, Comparison]
    rounds: Comparison | None
    """The same on all answers, each said by who saw nothing of its product."""
    student: Judge
    evaluation: Evaluation
    """Of the student, beside rules and the judge that serves."""

    @property
    def widest(self) -> Comparison:
        """The comparison on most answers."""
        return self.rounds or self.comparison


def tune(
    dataset: Dataset,
    place: Path,
    folder: Path,
    plan: Plan,
    steps: Steps,
    unanswered: Sequence[Example] = (),
) -> Tuned:
    """Tune the model in `place`, compare it, and teach a judge from it; raises `ModelError`.

    `folder` keeps what is done: a killed run goes on there. `unanswered` are proposals that the
    teacher labels, besides made-up ones.
    """
    parts = parts_of(dataset)
    rounds = rounds_of(dataset, plan.rounds) if plan.rounds else []
    lessons = [*unanswered, *blended(parts.known, 2 * len(parts.known))][:MOST]
    ways = plan.ways or candidates()
    fits = (len(ways) * FOLDS + 1) * (1 + len(rounds)) + (len(rounds) + 1 if rounds else 0)
    plan.on_plan(_steps(parts, lessons, fits))
    tuner = Tuner(place, folder, plan.shape, plan.pace, {}, plan.seconds, plan.on_progress)
    wide = in_rounds(rounds, tuner, steps.within, ways) if rounds else None
    work = _Work(parts, tuner, plan, steps)
    fitted, tuned, odds = work.tuned(lessons)
    said_by = {RULES: rules([*parts.known, *parts.valid], parts.held_out), **work.untuned()}
    facts = _Facts(dataset, parts, steps, ways)
    taught_by = logistic(tuned.slope * np.array(odds) + tuned.offset).tolist()
    student = facts.student(lessons, taught_by)
    said_by |= {TUNED: tuned.probabilities, JUDGE: facts.said, STACKED: facts.stacked(tuned)}
    said_by[TAUGHT] = _said_by(student, parts.held_out)
    beside = {RULES: said_by[RULES]}
    if plan.serving is not None:
        beside["serving"] = _said_by(plan.serving, parts.held_out)
    return Tuned(
        folder / TUNED, fitted, tuned.slope, tuned.offset, len(parts.known),
        compare(parts.held_out, said_by, JUDGE), dict(work.curve()), wide, student,
        evaluate(student, parts.held_out, beside, parts.by),
    )  # fmt: skip


def _steps(parts: Parts, lessons: Sequence[Example], fits: int) -> int:
    read = 3 * (steps_of(len(parts.valid)) + steps_of(len(parts.held_out)))
    return read + steps_of(len(lessons)) + fits


def _said_by(judge: Judge, asked: Sequence[Example]) -> list[float]:
    return [judge.probability(e.kind, e.facts, e.history) for e in asked]


class _Work(NamedTuple):
    """What the language model does."""

    parts: Parts
    tuner: Tuner
    plan: Plan
    steps: Steps

    def tuned(self, lessons: Sequence[Example]) -> tuple[Fitted, Said, list[float]]:
        """Tune on all that may be learned from, and read what is to be read."""
        fitted = self.tuner.fit(self.parts.known, self.parts.valid, TUNED)
        with lent(self.tuner.place, self.tuner.folder / TUNED) as engine:
            found = said(engine, self.parts, self.steps, TUNED)
            return fitted, found, read(engine, lessons, self.steps, "lessons of the tuned model")

    def untuned(self) -> dict[str, list[float]]:
        """Read with the model as it was, without and with answered examples before."""
        with lent(self.tuner.place) as engine:
            shots = shots_of(self.parts.known)
            return {
                UNTUNED: said(engine, self.parts, self.steps, UNTUNED).probabilities,
                SHOWN: said(engine, self.parts, self.steps, SHOWN, shots).probabilities,
            }

    def curve(self) -> Iterator[tuple[str, Comparison]]:
        """Tune on fewer answers, each set inside the next larger one."""
        order = list(self.parts.known)
        random.Random(self.plan.pace.seed).shuffle(order)
        for size in SIZES if self.plan.curve else ():
            if size < len(order) and len({e.approved for e in order[:size]}) == 2:
                name = f"{TUNED} on {size}"
                asked = [*self.parts.valid, *self.parts.held_out]
                odds = self.tuner.fit(order[:size], self.parts.valid, name, asked).odds
                found = calibrated(self.parts, odds)
                yield str(size), compare(self.parts.held_out, {TUNED: found}, TUNED)


class _Facts:
    """What the judge on facts does."""

    def __init__(
        self, dataset: Dataset, parts: Parts, steps: Steps, ways: Sequence[Candidate]
    ) -> None:
        self._parts, self._dataset = parts, dataset
        self.trained = train(dataset, steps, ways=ways)
        self._way = next(w for w in ways if w.name == self.trained.chosen)
        self.said = _said_by(self.trained.judge, parts.held_out)

    def stacked(self, tuned: Said) -> list[float]:
        """Return what the judge says with the tuned model's log odds as one more feature."""
        judge = self.trained.judge
        rows, answers = table(self._parts.valid)
        model = self._way.fit(*table(self._parts.known))
        unseen = [judge.slope * model.score(row.tolist()) + judge.offset for row in rows]
        asked, _ = table(self._parts.held_out)
        now = [judge.slope * judge.model.score(row.tolist()) + judge.offset for row in asked]
        return stacked((unseen, tuned.valid, answers), (now, tuned.held_out))

    def student(self, lessons: Sequence[Example], said_by: Sequence[float]) -> Judge:
        """Return a judge on facts that also learned from the tuned model's opinions."""
        parts = self._parts
        return taught(self._way, parts.known, (lessons, said_by), parts.valid, self._dataset.digest)
