"""Whether acceptance depends on what it should not: size, kind, age, runs, who asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evals.results import Judged, ScenarioResult
from evals.statistics import Estimate, differs, shares

SIZES = ((10_000, "under 10 000 rows"), (100_000, "10 000 to 100 000 rows"))
LARGE = "over 100 000 rows"
AGES = ((14, "under 2 weeks"), (45, "2 to 6 weeks"))
OLD = "over 6 weeks"
RUNS = ((300, "under 300 runs"), (1_000, "300 to 1 000 runs"))
MANY = "over 1 000 runs"


class Split(NamedTuple):
    """Acceptance in the buckets of one property, and how likely chance parts them so far."""

    by: str
    acceptance: dict[str, Estimate]
    p: float | None
    """By a permutation test; None where nothing can differ."""


def splits(scenarios: Sequence[ScenarioResult]) -> list[Split]:
    """Return acceptance by each property for which the results name a value."""
    found = []
    for by, bucket in PROPERTIES.items():
        cases: dict[str, list[bool]] = defaultdict(list)
        for s in scenarios:
            for p in s.proposals:
                if name := bucket(s, p):
                    cases[name].append(p.verdict == "good")
        if cases:
            found.append(Split(by, shares(cases), differs(cases)))
    return found


def _size(scenario: ScenarioResult, proposal: Judged) -> str:
    return _bucket(proposal.rows, SIZES, LARGE)


def _age(scenario: ScenarioResult, proposal: Judged) -> str:
    return _bucket(scenario.log_days or None, AGES, OLD)


def _runs(scenario: ScenarioResult, proposal: Judged) -> str:
    return _bucket(scenario.log_runs or None, RUNS, MANY)


def _bucket(value: int | None, bounds: Sequence[tuple[int, str]], above: str) -> str:
    """Return the bucket of a value; empty where there is none."""
    if value is None:
        return ""
    return next((name for bound, name in bounds if value < bound), above)


PROPERTIES: dict[str, Callable[[ScenarioResult, Judged], str]] = {
    "table size": _size,
    "kind": lambda scenario, proposal: proposal.kind,
    "age of the product": _age,
    "runs in the log": _runs,
    "author": lambda scenario, proposal: proposal.author,
}
