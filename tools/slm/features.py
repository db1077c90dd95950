"""How facts become the numbers that a judge weighs: steps, and each kind of change by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple, get_args

from tools.change_kinds import NEUTRAL
from tools.messages import ChangeKind
from tools.slm.facts import Facts

KINDS: tuple[str, ...] = get_args(ChangeKind)
STEPS: Mapping[str, tuple[float, ...]] = {
    "gain": (1.05, 1.1, 1.2, 1.5, 2.0, 3.0),
    "certain_gain": (1.0, 1.05, 1.1, 1.2, 1.5, 2.0),
    "insert_cost": (1.0, 1.2, 1.5, 2.0, 3.0),
    "insert_bound": (1.2, 1.5, 2.0, 3.0),
    "growth": (1.0, 1.2, 1.5, 2.0),
}
"""Where people draw lines: ratios whose logarithm is a step of that fact."""
CROSSED = ("gain", "certain_gain", "insert_cost", "growth", "warnings")
"""Facts that may weigh otherwise for each kind of change."""


MOST = 50.0


class History(NamedTuple):
    """What was answered before about a product: all of it, and this kind of change."""

    approved: int = 0
    answered: int = 0
    kind_approved: int = 0
    kind_answered: int = 0


def features_of(kind: str, facts: Facts, history: History) -> dict[str, float]:
    """Return the features by name; an unknown kind is like none of the known ones."""
    numbers = {name: clipped(value) for name, value in facts.model_dump().items()}
    found = dict(numbers)
    for name, edges in STEPS.items():
        for edge in edges:
            found[f"{name}>={edge}"] = float(numbers[name] >= math.log(edge))
    found["neutral"] = float(kind in NEUTRAL)
    for known in KINDS:
        here = float(kind == known)
        found[f"kind={known}"] = here
        for name in CROSSED:
            found[f"{known}*{name}"] = here * numbers[name]
    found["history"] = _leaning(history.approved, history.answered)
    found["history_of_kind"] = _leaning(history.kind_approved, history.kind_answered)
    return found


def row_of(kind: str, facts: Facts, history: History) -> list[float]:
    """Return the features in the order of `NAMES`."""
    return list(features_of(kind, facts, history).values())


def histories(answers: Iterable[tuple[str, str, bool]]) -> list[History]:
    """Return what was known before each answer (product, kind, approved), oldest first."""
    told: dict[tuple[str, str], list[bool]] = {}
    found = []
    for product, kind, approved in answers:
        of_product, of_kind = (told.setdefault((product, k), []) for k in ("", kind))
        found.append(History(sum(of_product), len(of_product), sum(of_kind), len(of_kind)))
        of_product.append(approved)
        of_kind.append(approved)
    return found


def clipped(number: float) -> float:
    """Return a number within what logarithms and counts of anything real reach."""
    return max(-MOST, min(MOST, float(number)))


def _leaning(approved: int, answered: int) -> float:
    """Return the log odds of approval, drawn towards even where little is known."""
    return math.log((approved + 1) / (answered - approved + 1))


_NOTHING = Facts(gain=0, certain_gain=0, insert_cost=0, growth=0, losing=0, warnings=0)
NAMES: tuple[str, ...] = tuple(features_of("", _NOTHING, History()))
"""Every feature, in the order of the columns that a judge learns from."""
