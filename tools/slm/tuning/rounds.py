"""Every product held out once, in rounds: a few held-out products tell too little.

What a judge says of an answer comes from a round that saw nothing of its product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tools.slm.dataset import Example
from tools.slm.fitting import Candidate, calibrate
from tools.slm.steps import Steps
from tools.slm.training import choose, logistic, rules
from tools.slm.tuning.comparison import JUDGE, RULES, TUNED, UNTUNED, Comparison, compare
from tools.slm.tuning.layers import Made
from tools.slm.tuning.parts import Parts
from tools.slm.tuning.tuner import Tuner

Said = Mapping[str, Sequence[float]]
"""Probabilities of what a round holds out, by who says them."""


def in_rounds(
    rounds: Sequence[Parts],
    tuner: Tuner,
    steps_of: Callable[[str], Steps],
    ways: Sequence[Candidate],
) -> Comparison:
    """Tune once for each round and compare on all answers; a killed one goes on where it was.

    `steps_of` gives the steps of a round by its name. Raises `ModelError`.
    """
    asked = [e for parts in rounds for e in parts.held_out]
    made: Made = {}
    untuned = _untuned(asked, tuner, steps_of, made)
    said: dict[str, list[float]] = {}
    for number, parts in enumerate(rounds, start=1):
        name = f"round {number} of {len(rounds)}"
        found = {
            RULES: rules([*parts.known, *parts.valid], parts.held_out),
            UNTUNED: _as_it_was(parts, untuned),
            TUNED: _tuned(parts, tuner, steps_of(name), name, made),
            JUDGE: _judged(parts, steps_of(name), ways),
        }
        for who, given in found.items():
            said.setdefault(who, []).extend(given)
    return compare(asked, said, JUDGE)


def _untuned(
    asked: Sequence[Example], tuner: Tuner, steps_of: Callable[[str], Steps], made: Made
) -> dict[Example, float]:
    odds = steps_of("rounds").of(UNTUNED, lambda: tuner.untuned(asked, made))
    return dict(zip(asked, odds, strict=True))


def _as_it_was(parts: Parts, untuned: Mapping[Example, float]) -> list[float]:
    valid, held_out = ([untuned[e] for e in some] for some in (parts.valid, parts.held_out))
    return _calibrated(parts, valid, held_out)


def _tuned(parts: Parts, tuner: Tuner, steps: Steps, name: str, made: Made) -> list[float]:
    def compute() -> list[float]:
        asked = [*parts.valid, *parts.held_out]
        return list(tuner.fit(parts.known, parts.valid, name, asked, made).odds)

    odds = steps.of(TUNED, compute)
    return _calibrated(parts, odds[: len(parts.valid)], odds[len(parts.valid) :])


def _judged(parts: Parts, steps: Steps, ways: Sequence[Candidate]) -> list[float]:
    judge = choose([*parts.known, *parts.valid], steps, ways).judge
    return [judge.probability(e.kind, e.facts, e.history) for e in parts.held_out]


def _calibrated(parts: Parts, valid: Any, held_out: Any) -> list[float]:
    answers = np.array([e.approved for e in parts.valid])
    slope, offset = calibrate(np.array(valid), answers, steepest=1.0)
    return [float(p) for p in logistic(slope * np.array(held_out) + offset)]
