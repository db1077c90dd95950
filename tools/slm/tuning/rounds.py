"""Every product held out once, in rounds: a few held-out products tell too little.

What a judge says of an answer comes from a round that saw nothing of its product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tools.slm.dataset import Example
from tools.slm.fitting import Candidate
from tools.slm.steps import Steps
from tools.slm.training import choose, rules
from tools.slm.tuning.bench import calibrated
from tools.slm.tuning.comparison import JUDGE, RULES, TUNED, UNTUNED, Comparison, compare
from tools.slm.tuning.parts import Parts
from tools.slm.tuning.tuner import Tuner


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
    # Kept in the order of these rounds, which that of others is not.
    odds = steps_of(f"{UNTUNED} in {len(rounds)}").of(UNTUNED, lambda: tuner.untuned(asked))
    untuned = dict(zip(asked, odds, strict=True))
    said: dict[str, list[float]] = {}
    for number, parts in enumerate(rounds, start=1):
        name = f"round {number} of {len(rounds)}"
        found = {
            RULES: rules([*parts.known, *parts.valid], parts.held_out),
            UNTUNED: _as_it_was(parts, untuned),
            TUNED: _tuned(parts, tuner, steps_of(name), name),
            JUDGE: _judged(parts, steps_of(name), ways),
        }
        for who, given in found.items():
            said.setdefault(who, []).extend(given)
    return compare(asked, said, JUDGE)


def _as_it_was(parts: Parts, untuned: Mapping[Example, float]) -> list[float]:
    return calibrated(parts, [untuned[e] for e in (*parts.valid, *parts.held_out)])


def _tuned(parts: Parts, tuner: Tuner, steps: Steps, name: str) -> list[float]:
    asked = [*parts.valid, *parts.held_out]
    fit = partial(tuner.fit, parts.known, parts.valid, name, asked)
    return calibrated(parts, steps.of(TUNED, lambda: list(fit().odds)))


def _judged(parts: Parts, steps: Steps, ways: Sequence[Candidate]) -> list[float]:
    judge = choose([*parts.known, *parts.valid], steps, ways).judge
    return [judge.probability(e.kind, e.facts, e.history) for e in parts.held_out]
