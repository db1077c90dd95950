"""Offers that waste a person's time: an idea twice in a run, or one that was answered before."""

from __future__ import annotations

from collections.abc import Sequence

from evals.ideas import repeated_within
from evals.results import ScenarioResult
from evals.statistics import Estimate, share

ANSWERED, REMEMBERING, FORGETFUL = "answered", "remembering", "forgetful"


def duplicates(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of offers that repeat another: in one run, or of a run after the answers."""
    count = offers = 0
    for s in scenarios:
        again = s.second_runs.get(ANSWERED)
        offers += len(s.proposals) + (len(again.offered) if again else 0)
        count += repeated_within(s.proposals) + (len(again.repeats) if again else 0)
    return share(count, offers)


def remembering(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of refused ideas offered again though they measure the same."""
    return _offered_again(scenarios, REMEMBERING)


def forgetful(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the same for a Pillion that forgets what was refused."""
    return _offered_again(scenarios, FORGETFUL)


def _offered_again(scenarios: Sequence[ScenarioResult], which: str) -> Estimate | None:
    runs = [s.second_runs[which] for s in scenarios if which in s.second_runs]
    return share(sum(len(r.repeats) for r in runs), sum(r.refused for r in runs))
