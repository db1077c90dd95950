"""How quickly the judge on facts learns: quality after 40, 80, 120… answers, with intervals."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tools.slm.criteria.results import Point
from tools.slm.dataset import Example
from tools.slm.evaluation import estimates, metrics_of, redrawn, resampled
from tools.slm.fitting import SEED, Candidate
from tools.slm.training import learned, rules

SIZES = (40, 80, 120, 160, 240, 320, 480, 640, 960)
SUBSETS = 5
"""Sets of answers that are drawn for each size."""
Learn = Callable[[Sequence[Example]], Sequence[float]]
"""Learns from answers and returns what it says of those held out."""


def sizes_of(known: int) -> list[int]:
    """Return the sizes that are measured: all below what there is, and that."""
    return [*(size for size in SIZES if size < known), known]


def by_judge(way: Candidate, held_out: Sequence[Example]) -> Learn:
    """Return the judge on facts, learned in one way."""

    def learn(known: Sequence[Example]) -> list[float]:
        judge = learned(way, known)
        return [judge.probability(e.kind, e.facts, e.history) for e in held_out]

    return learn


def by_rules(held_out: Sequence[Example]) -> Learn:
    """Return rules, calibrated on answers."""
    return lambda known: rules(known, held_out)


def curve(known: Sequence[Example], held_out: Sequence[Example], learn: Learn) -> Iterator[Point]:
    """Yield how good what is learned is, by how many answers.

    An interval covers both which answers there were and which are held out.
    """
    y = np.array([e.approved for e in held_out])
    drawn = resampled([e.product for e in held_out])
    for size in sizes_of(len(known)):
        said = [np.asarray(learn(some)) for some in subsets(known, size)]
        if said:
            yield Point(answers=size, metrics=_spread(said, y, drawn))


def _spread(said: Sequence[Any], y: Any, drawn: Sequence[Any]) -> Any:
    every = [metrics_of(p, y) for p in said]
    means = {m: float(np.mean([found[m] for found in every])) for m in every[0]}
    parts = [redrawn(p, y, drawn[n :: len(said)]) for n, p in enumerate(said)]
    together = {m: [value for part in parts for value in part[m]] for m in means}
    return estimates(means, together, len(y))


def subsets(known: Sequence[Example], size: int) -> list[list[Example]]:
    """Return sets of so many answers with both kinds among them, in the order of the answers."""
    if size >= len(known):
        return [list(known)]
    drawn = random.Random(SEED + size)
    found = []
    for _ in range(SUBSETS):
        at = sorted(drawn.sample(range(len(known)), size))
        some = [known[i] for i in at]
        if 0 < sum(e.approved for e in some) < size:
            found.append(some)
    return found
