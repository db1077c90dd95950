"""What one improvement costs a person, with Pillion and by hand, over the same products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evals.results import Effort, ScenarioResult
from evals.statistics import Estimate, ratio

KEYSTROKE = 0.28
"""Seconds a character of an average typist: Card, Moran and Newell, CACM 23 (1980), 396-410."""


def actions(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return commands typed by improvements made, also over products where nothing was."""
    return _by_improvement(scenarios, typed, lambda s: s.with_pillion)


def actions_by_hand(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the same for a person without Pillion."""
    return _by_improvement(scenarios, typed, lambda s: s.by_hand)


def seconds(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the time from the first key to the last answer by improvements made."""
    return _by_improvement(scenarios, lasted, lambda s: s.with_pillion)


def seconds_by_hand(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the same for a person without Pillion."""
    return _by_improvement(scenarios, lasted, lambda s: s.by_hand)


def typed(effort: Effort) -> float:
    """Return how many commands were typed."""
    return float(sum(effort.actions.values()))


def lasted(effort: Effort) -> float:
    """Return how long typing and waiting took, in seconds."""
    return effort.seconds + KEYSTROKE * effort.characters


def _by_improvement(
    scenarios: Sequence[ScenarioResult],
    cost: Callable[[Effort], float],
    side: Callable[[ScenarioResult], Effort | None],
) -> Estimate | None:
    done = [e for s in scenarios if s.with_pillion and s.by_hand and (e := side(s))]
    return ratio([(cost(e), float(e.improvements)) for e in done])
