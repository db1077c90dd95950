"""A model read on the validation and the held-out part, and calibrated on the former."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tools.slm.dataset import Example
from tools.slm.engine import Engine
from tools.slm.fitting import calibrate
from tools.slm.memory import mlx_bytes, require
from tools.slm.mlx_engine import MlxEngine
from tools.slm.steps import Steps
from tools.slm.training import logistic
from tools.slm.tuning.parts import Parts
from tools.slm.tuning.reading import read

Lent = Callable[[], MlxEngine]
"""Gives an engine, loaded when it is first wanted."""


class Said(NamedTuple):
    """What a model says, as log odds, and how these become probabilities."""

    valid: Any
    held_out: Any
    slope: float
    offset: float

    @property
    def probabilities(self) -> list[float]:
        """Of what is held out."""
        return [float(p) for p in logistic(self.slope * self.held_out + self.offset)]


def said(
    engine: Callable[[], Engine],
    parts: Parts,
    steps: Steps,
    name: str,
    shots: Sequence[Example] = (),
) -> Said:
    """Read both parts; every few proposals are a step."""
    valid = np.array(read(engine, parts.valid, steps, f"{name}, validation", shots))
    asked = np.array(read(engine, parts.held_out, steps, f"{name}, held out", shots))
    slope, offset = calibrate(valid, np.array([e.approved for e in parts.valid]), steepest=1.0)
    return Said(valid, asked, slope, offset)


def calibrated(parts: Parts, odds: Sequence[float]) -> list[float]:
    """Return probabilities of what is held out, from log odds of the validation part and of it."""
    count = len(parts.valid)
    answers = np.array([e.approved for e in parts.valid])
    slope, offset = calibrate(np.array(odds[:count]), answers, steepest=1.0)
    return [float(p) for p in logistic(slope * np.array(odds[count:]) + offset)]


@contextmanager
def lent(place: Path, adapter: Path | None = None) -> Iterator[Lent]:
    """Lend an engine that is loaded when it is first wanted and closed at the end."""
    made: list[MlxEngine] = []

    def engine() -> MlxEngine:
        if not made:
            require(mlx_bytes(place, adapter), str(place))
            made.append(MlxEngine(place, adapter))
        return made[0]

    try:
        yield engine
    finally:
        for loaded in made:
            loaded.close()
