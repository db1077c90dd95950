"""What a language model makes of proposals: log odds from the next token, kept as they come."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tools.slm.dataset import Example
from tools.slm.engine import Engine, Prompt
from tools.slm.steps import Steps
from tools.slm.tuning.prompts import CHOICES, NO, YES, prompt_of

AT_ONCE = 16
"""Prompts that are one step: what a kill loses at most."""
SUREST = 1e-6


def log_odds(engine: Engine, prompt: Prompt) -> float:
    """Return the log odds of yes against no; raises `ModelError`."""
    found = engine.score(prompt, CHOICES, lambda: False)
    return math.log(max(SUREST, found[YES]) / max(SUREST, found[NO]))


def scorer(engine: Engine) -> Callable[[Example], float]:
    """Return what scores one proposal with an engine."""
    return lambda example: log_odds(engine, prompt_of(example))


def read(
    engine: Callable[[], Engine],
    examples: Sequence[Example],
    steps: Steps,
    name: str,
    shots: Sequence[Example] = (),
) -> list[float]:
    """Return the log odds for each example; the engine is made only where some are not kept yet."""
    found: list[float] = []
    for start in range(0, len(examples), AT_ONCE):
        some = [prompt_of(e, shots) for e in examples[start : start + AT_ONCE]]

        def compute(some: Sequence[Prompt] = some) -> list[float]:
            return [log_odds(engine(), prompt) for prompt in some]

        # What is read under the same name may be another after a kill: new proposals.
        kept = steps.within(repr(some))
        found += kept.of(f"{name}: {start + 1} to {start + len(some)}", compute)
    return found


def steps_of(count: int) -> int:
    """Return how many steps reading so many takes."""
    return -(-count // AT_ONCE)
