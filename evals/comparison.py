"""Others through the same oracle, and how far Pillion is ahead of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.results import BaselineResult, ScenarioResult
from evals.statistics import Difference, Estimate, difference, share_of
from evals.suites import SPENT

COMPARED = ("rules", "random", "model", "unmeasured", "ungated")
"""Baselines that propose changes; `silent` and `forgetful` are counted otherwise."""


class Lead(NamedTuple):
    """Pillion's acceptance minus a baseline's, over the same scenarios."""

    baseline: str
    by: Difference


def _asked(
    scenarios: Sequence[ScenarioResult], name: str
) -> Iterator[tuple[ScenarioResult, BaselineResult]]:
    """Yield the scenarios on which a baseline gave an answer, an empty one included."""
    for s in scenarios:
        found = s.baselines.get(name)
        if found is not None and (found.changes or not found.note):
            yield s, found


def acceptance(name: str, scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of good ones among a baseline's changes."""
    return share_of(c.verdict == "good" for _, b in _asked(scenarios, name) for c in b.changes)


def harm(name: str, scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of harmful ones among a baseline's changes."""
    return share_of(c.verdict == "harmful" for _, b in _asked(scenarios, name) for c in b.changes)


def recall(name: str, scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of known improvements among a baseline's good changes."""
    return share_of(
        k in (b.found if b.found_good is None else b.found_good)
        for s, b in _asked(scenarios, name)
        for k in s.known
    )


def leads(scenarios: Sequence[ScenarioResult]) -> Iterator[Lead]:
    """Yield how far Pillion's acceptance is ahead of each baseline's."""
    for name in COMPARED:
        asked = [s for s, _ in _asked(scenarios, name)]
        other = acceptance(name, scenarios)
        own = share_of(p.verdict == "good" for s in asked for p in s.proposals)
        if other is not None and own is not None:
            yield Lead(name, difference(other, own))


def notes(scenarios: Sequence[ScenarioResult]) -> list[str]:
    """Return what baselines could not do, and which test seeds prove nothing any more."""
    said = (f"{n}: {b.note}" for s in scenarios for n, b in s.baselines.items() if b.note)
    return [*dict.fromkeys(said), *_spent({s.seed for s in scenarios})]


def _spent(seeds: set[int]) -> Iterator[str]:
    known = sorted(seeds.intersection(SPENT))
    if known:
        listed = ", ".join(map(str, known))
        yield f"test seeds that were looked at before Pillion was changed prove nothing: {listed}"
