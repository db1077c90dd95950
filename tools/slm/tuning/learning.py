"""Tuning a language model as judge, and holding it against every other on the same answers."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tools.slm.dataset import Dataset, Example
from tools.slm.engine import Prompt
from tools.slm.evaluation import Evaluation, evaluate
from tools.slm.fitting import Candidate, candidates
from tools.slm.judge import Judge
from tools.slm.mlx_engine import MlxEngine
from tools.slm.steps import Steps, write_whole
from tools.slm.training import rules, table, train
from tools.slm.tuning.bench import Said, lent, said
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
from tools.slm.tuning.lora import Answered, Fitted, Lesson, Progress, fit, save
from tools.slm.tuning.parts import Parts, parts_of
from tools.slm.tuning.prompts import CHOICES, prompt_of, shots_of
from tools.slm.tuning.reading import read, steps_of
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Pace, Shape
from tools.slm.tuning.students import MOST, blended, stacked, taught

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
    student: Judge
    evaluation: Evaluation
    """Of the student, beside rules and the judge that serves."""


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
    lessons = [*unanswered, *blended(parts.known, 2 * len(parts.known))][:MOST]
    plan.on_plan(_steps(parts, lessons))
    work = _Work(parts, place, folder, plan, steps)
    fitted, tuned, odds = work.tuned(lessons)
    said_by = {RULES: rules([*parts.known, *parts.valid], parts.held_out), **work.untuned()}
    facts = _Facts(dataset, parts, steps, plan.ways)
    taught_by = [float(p) for p in _probability(tuned, np.array(odds))]
    student = facts.student(lessons, taught_by)
    said_by |= {TUNED: tuned.probabilities, JUDGE: facts.said, STACKED: facts.stacked(tuned)}
    said_by[TAUGHT] = _said_by(student, parts.held_out)
    beside = {RULES: said_by[RULES]}
    if plan.serving is not None:
        beside["serving"] = _said_by(plan.serving, parts.held_out)
    return Tuned(
        folder / TUNED, fitted, tuned.slope, tuned.offset, len(parts.known),
        compare(parts.held_out, said_by, JUDGE), dict(work.curve()), student,
        evaluate(student, parts.held_out, beside, parts.by),
    )  # fmt: skip


def _steps(parts: Parts, lessons: Sequence[Example]) -> int:
    return 3 * (steps_of(len(parts.valid)) + steps_of(len(parts.held_out))) + steps_of(len(lessons))


def _probability(by: Said, odds: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(by.slope * odds + by.offset, -50, 50)))


def _said_by(judge: Judge, asked: Sequence[Example]) -> list[float]:
    return [judge.probability(e.kind, e.facts, e.history) for e in asked]


class _Work(NamedTuple):
    """What the language model does."""

    parts: Parts
    place: Path
    folder: Path
    plan: Plan
    steps: Steps
    started: float = 0.0

    def tuned(self, lessons: Sequence[Example]) -> tuple[Fitted, Said, list[float]]:
        """Tune on all that may be learned from, and read what is to be read."""
        fitted = self._fit(self.parts.known, TUNED)
        with lent(self.place, self.folder / TUNED) as engine:
            found = said(engine, self.parts, self.steps, TUNED)
            return fitted, found, read(engine, lessons, self.steps, "lessons of the tuned model")

    def untuned(self) -> dict[str, list[float]]:
        """Read with the model as it was, without and with answered examples before."""
        with lent(self.place) as engine:
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
                self._fit(order[:size], name)
                with lent(self.place, self.folder / name) as engine:
                    found = said(engine, self.parts, self.steps, name).probabilities
                yield str(size), compare(self.parts.held_out, {TUNED: found}, TUNED)

    def _fit(self, known: Sequence[Example], name: str) -> Fitted:
        engine = MlxEngine(self.place)
        try:
            yes, no = (engine.tokens(Prompt("", choice))[0] for choice in CHOICES)
            lesson = Lesson(
                self.plan.shape, self.plan.pace, (yes, no), _answered(engine, known),
                _answered(engine, self.parts.valid), self.folder / f"{name}.safetensors",
            )  # fmt: skip
            fitted = fit(
                engine.model, lesson, lambda told: self.plan.on_progress(name, told),
                time.monotonic() + self.plan.seconds,
            )  # fmt: skip
        finally:
            engine.close()
        save(self.folder / name / WEIGHTS, fitted.weights)
        write_whole(
            self.folder / name / CONFIG, json.dumps(self.plan.shape.config(), sort_keys=True)
        )
        return fitted


def _answered(engine: MlxEngine, examples: Sequence[Example]) -> Answered:
    rows = [engine.tokens(prompt_of(e)) for e in examples]
    return Answered(rows, [e.approved for e in examples])


class _Facts:
    """What the judge on facts does."""

    def __init__(
        self, dataset: Dataset, parts: Parts, steps: Steps, ways: Sequence[Candidate]
    ) -> None:
        self._parts, self._dataset = parts, dataset
        self.trained = train(dataset, steps, ways=ways)
        self._way = next(w for w in ways or candidates() if w.name == self.trained.chosen)
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
