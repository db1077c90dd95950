"""A model directory tuned on some answers, with its adapter left beside."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.slm.dataset import Example
from tools.slm.engine import Prompt
from tools.slm.mlx_engine import MlxEngine
from tools.slm.steps import write_whole
from tools.slm.tuning.layers import Halves, Made
from tools.slm.tuning.lora import Answered, Fitted, Lesson, Progress, fit, odds_of, save
from tools.slm.tuning.prompts import CHOICES, prompt_of
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Pace, Shape


class Tuner(NamedTuple):
    """What is tuned, how, and where it is kept meanwhile."""

    place: Path
    folder: Path
    shape: Shape
    pace: Pace
    seconds: float = math.inf
    """After so long a training ends with the best until then."""
    on_progress: Callable[[str, Progress], None] = lambda name, progress: None

    def fit(
        self,
        known: Sequence[Example],
        valid: Sequence[Example],
        name: str,
        asked: Sequence[Example] = (),
        made: Made | None = None,
    ) -> Fitted:
        """Tune, and leave the adapter under a name; raises `ModelError`."""
        with self._engine() as engine:
            lesson = Lesson(
                self.shape, self.pace, _choices(engine), _answered(engine, known),
                _answered(engine, valid), self.folder / f"{name}.safetensors",
                _rows(engine, asked),
            )  # fmt: skip
            fitted = fit(
                engine.model, lesson, lambda told: self.on_progress(name, told),
                time.monotonic() + self.seconds, made,
            )  # fmt: skip
        save(self.folder / name / WEIGHTS, fitted.weights)
        write_whole(self.folder / name / CONFIG, json.dumps(self.shape.config(), sort_keys=True))
        return fitted

    def untuned(self, asked: Sequence[Example], made: Made) -> list[float]:
        """Return the log odds of the model as it was; `made` is filled."""
        with self._engine() as engine:
            halves = Halves(engine.model, self.shape.layers)
            return odds_of(halves, _choices(engine), _rows(engine, asked), made)

    @contextmanager
    def _engine(self) -> Iterator[MlxEngine]:
        engine = MlxEngine(self.place)
        try:
            yield engine
        finally:
            engine.close()


def _choices(engine: MlxEngine) -> tuple[int, int]:
    yes, no = (engine.tokens(Prompt("", choice))[0] for choice in CHOICES)
    return yes, no


def _rows(engine: MlxEngine, examples: Sequence[Example]) -> list[list[int]]:
    return [engine.tokens(prompt_of(e)) for e in examples]


def _answered(engine: MlxEngine, examples: Sequence[Example]) -> Answered:
    return Answered(_rows(engine, examples), [e.approved for e in examples])
