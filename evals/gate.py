"""Two results held against each other: what got better or worse beyond chance."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from evals.errors import NotComparable
from evals.metrics import Metric, measured, metrics
from evals.pooling import asked_of
from evals.results import SuiteResult
from evals.statistics import Difference, Estimate, difference

BASELINE = Path(__file__).with_name("baseline.json")
"""The smoke suite's result that a change must not fall behind."""

NEVER = ("harmful", "failures")
"""What there may be no more of in the same scenarios: one is enough, whatever chance could do."""
MEASURING = ("depth", "search")
"""What changes a metric by itself: offers are counted in other runs, and the best is another."""


class Moved(NamedTuple):
    """How one metric moved from an earlier result to a later one."""

    metric: str
    earlier: Estimate
    later: Estimate
    by: Difference
    verdict: Literal["better", "worse", "same"]


def compare(earlier: SuiteResult, later: SuiteResult) -> list[Moved]:
    """Return every metric that both have; raises `NotComparable`."""
    check_comparable(earlier, later)
    before, after = measured(earlier.scenarios), measured(later.scenarios)
    return [
        _moved(name, metric, before[name], after[name])
        for name, metric in metrics().items()
        if name in before and name in after
    ]


def losses(moved: list[Moved]) -> list[Moved]:
    """Return what got worse beyond chance."""
    return [m for m in moved if m.verdict == "worse"]


def _moved(name: str, metric: Metric, earlier: Estimate, later: Estimate) -> Moved:
    by = difference(earlier, later)
    if name in NEVER and (later.count or 0) > (earlier.count or 0):
        return Moved(name, earlier, later, by, "worse")
    up, down = by.low > 0, by.high < 0
    if metric.more_is_better is None or not (up or down):
        return Moved(name, earlier, later, by, "same")
    return Moved(name, earlier, later, by, "better" if up == metric.more_is_better else "worse")


def check_comparable(earlier: SuiteResult, later: SuiteResult) -> None:
    """Refuse results that don't measure the same; raises `NotComparable`.

    Settings and the model may differ: what they change is what is asked for.
    """
    if earlier.suite != later.suite:
        raise NotComparable(
            f"One result is of the {earlier.suite} suite, the other of {later.suite}: they don't"
            " measure the same."
        )
    if earlier.approver != later.approver:
        raise NotComparable(
            f"One run was answered by {earlier.approver}, the other by {later.approver}."
        )
    asked, again = asked_of(earlier), asked_of(later)
    for what in MEASURING:
        if None not in (told := (asked.get(what), again.get(what))) and told[0] != told[1]:
            raise NotComparable(f"The runs differ in {what}: {told[0]}, and {told[1]}.")
    for result, which in ((earlier, "first"), (later, "second")):
        if not result.complete:
            raise NotComparable(f"The {which} run was not finished; `pillion eval run --resume`.")
    if earlier.covers != later.covers:
        odd = sorted(set(earlier.covers) ^ set(later.covers))
        raise NotComparable(f"Only one of the two has the scenarios {', '.join(odd)}.")
