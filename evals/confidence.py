"""Whether gains come as they were promised: what a person was told against the later workload."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.results import ScenarioResult
from evals.statistics import Estimate, mean, median, share_of
from tools.messages import Interval


class Point(NamedTuple):
    """One proposal's gain for queries as the advisor measured it and as the oracle did.

    What writes cost stands beside a proposal's gain, not in it, so it is left out on both sides.
    """

    name: str
    predicted: Interval
    found: Estimate
    expected: Interval | None = None
    """What to expect later, where that was told."""

    @property
    def promised(self) -> Interval:
        """What a person takes for what they get."""
        return self.expected or self.predicted

    @property
    def holds(self) -> bool:
        """Whether what was promised holds the gain on the later workload."""
        return self.promised.low <= self.found.value <= self.promised.high


def points(scenarios: Sequence[ScenarioResult]) -> Iterator[Point]:
    """Yield every proposal that both measured."""
    for s in scenarios:
        for p in s.proposals:
            if p.predicted is not None and p.judgement.reads is not None:
                name = f"{s.name} {p.kind} {p.target}"
                yield Point(name, p.predicted, p.judgement.reads, p.expected)


def held(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of expected 95 % intervals that hold the gain on the later workload."""
    return share_of(p.holds for p in _expected(scenarios))


def width(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the median of high / low of expected intervals: holding by being wide shows here."""
    return median([p.promised.high / p.promised.low for p in _expected(scenarios)])


def _expected(scenarios: Sequence[ScenarioResult]) -> list[Point]:
    return [p for p in points(scenarios) if p.expected is not None]


def covered(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of measured 95 % intervals that hold the gain on the later workload."""
    return share_of(p.predicted.low <= p.found.value <= p.predicted.high for p in points(scenarios))


def measured_width(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the median of high / low of measured intervals."""
    return median([p.predicted.high / p.predicted.low for p in points(scenarios)])


def overlapping(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the share of measured intervals that meet the interval on the later workload."""
    return share_of(
        p.predicted.low <= p.found.high and p.found.low <= p.predicted.high
        for p in points(scenarios)
    )


def optimism(scenarios: Sequence[ScenarioResult]) -> Estimate | None:
    """Return the geometric mean of measured gain / gain later; above 1 promises too much."""
    logs = [math.log(p.predicted.mid / p.found.value) for p in points(scenarios)]
    found = mean(logs)
    if found is None:
        return None
    low, value, high = (math.exp(x) for x in (found.low, found.value, found.high))
    return Estimate(value=value, low=low, high=high, of=found.of)
