"""Timing by turns: queries and writes together, and queries alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evals.oracle import timing
from evals.oracle.timing import Work, compare
from evals.statistics import Estimate


def spin(times: int) -> Callable[[], None]:
    def run() -> None:
        sum(range(times))

    return run


def test_what_writes_lose_is_in_the_total_and_not_in_the_reads() -> None:
    reads = Work(spin(100_000), spin(25_000), runs=1)
    writes = Work(spin(25_000), spin(250_000), runs=1, writes=True)
    found = compare([reads, writes])
    assert found.reads and found.reads.low > 2
    assert found.total.high < 1


def test_where_nothing_reads_there_is_only_a_total() -> None:
    found = compare([Work(spin(1000), spin(1000), runs=1, writes=True)])
    assert found.reads is None and found.total.of >= 9


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, of=9)


@pytest.mark.parametrize(
    ("low", "high", "enough"),
    [
        (0.98, 1.03, True),
        (0.96, 1.04, False),
        (1.02, 1.07, False),
        (1.04, 1.09, False),
        (1.028, 1.05, True),
        (2.00, 2.10, True),
        (2.00, 2.20, False),
        (0.93, 0.98, False),
        (0.80, 0.84, True),
    ],
)
def test_an_interval_with_an_end_beside_a_border_must_be_narrower(
    low: float, high: float, enough: bool
) -> None:
    assert timing._settled(estimate(low, high)) is enough


def test_what_takes_very_long_is_told_after_few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.005)
    monkeypatch.setattr(timing, "LONG_SECONDS", 0.02)
    found = compare([Work(spin(1000), spin(3_000_000), runs=1)])
    assert found.total.of == 2 and found.total.high < 0.97
