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
from tools.slm.memory import require, tuning_bytes
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
    made: Made
    """What the frozen layers made of prompts: every training over the model takes it from here."""
    seconds: float = math.inf
    """After so long a training ends with the best until then."""
    on_progress: Callable[[str, Progress], None] = lambda name, progress: None

    def fit(
        self,
        known: Sequence[Example],
        valid: Sequence[Example],
        name: str,
        asked: Sequence[Example] = (),
    ) -> Fitted:
        """Tune, and leave the adapter under a name; raises `ModelError`.

        What is asked is read at the end: its log odds are part of the result.
        """
        with self._engine(len(known) + len(valid) + len(asked)) as engine:
            lesson = Lesson(
                self.shape, self.pace, _choices(engine), _answered(engine, known),
                _answered(engine, valid), self.folder / f"{name}.safetensors",
                _rows(engine, asked),
            )  # fmt: skip
            fitted = fit(
                engine.model, lesson, lambda told: self.on_progress(name, told),
                time.monotonic() + self.seconds, self.made,
            )  # fmt: skip
        save(self.folder / name / WEIGHTS, fitted.weights)
        write_whole(self.folder / name / CONFIG, json.dumps(self.shape.config(), sort_keys=True))
        return fitted

    def untuned(self, asked: Sequence[Example]) -> list[float]:
        """Return the log odds of the model as it was."""
        with self._engine(len(asked)) as engine:
            halves = Halves(engine.model, self.shape.layers)
            return odds_of(halves, _choices(engine), _rows(engine, asked), self.made)

    @contextmanager
    def _engine(self, prompts: int) -> Iterator[MlxEngine]:
        require(tuning_bytes(self.place, prompts), f"tuning {self.place}")
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
