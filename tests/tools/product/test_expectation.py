"""What to expect of a gain: wider than what was measured, by what the workload was seen to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tools.product.expectation import FEWEST_WINDOWS, Asked, expected, steady
from tools.product.statistics import Step, paired_ratio, paired_steps
from tools.product.workload import QueryPattern, Windows

MONTH = Windows(first="2026-03-01", days=1, count=30)
EVEN = (10,) * 30
RISING = tuple(range(30))
FALLING = RISING[::-1]


def pattern(windows: Sequence[int], **fields: object) -> QueryPattern:
    body = {
        "fingerprint": "f", "sql": "SELECT 1", "normalized": "SELECT 1", "total_ms": 1.0,
        "tables": (), "columns": (), "source": "tap", "runs": sum(windows) or 1,
        "windows": tuple(windows),
    }  # fmt: skip
    return QueryPattern.model_validate(body | fields)


def step(before: float, after: float) -> Step:
    noise = [1.0, 1.02, 0.98, 1.01, 0.99]
    return paired_steps([[before * n for n in noise]], [[after * n for n in noise[::-1]]])[0]


def spread(queries: Sequence[Asked], windows: Windows | None = MONTH) -> float:
    found = expected(queries, windows).ratio
    assert found.low <= found.mid <= found.high
    return float(np.log(found.high / found.low))


def test_it_stands_around_the_measured_gain_and_holds_its_interval() -> None:
    runs = [10 * n for n in (1.0, 1.05, 0.97, 1.01, 0.99)], [5.0, 5.2, 4.9, 5.1, 5.0]
    measured = paired_ratio([runs[0]], [runs[1]], [300.0], constant=300.0)
    (found,) = paired_steps([runs[0]], [runs[1]])
    told = expected([Asked(pattern(EVEN), found), Asked(pattern(EVEN), steady(1.0))], MONTH)
    assert told.ratio.mid == pytest.approx(measured.mid)
    assert told.ratio.low < measured.low and measured.high < told.ratio.high
    assert (told.days, told.note) == (30, "")


def test_a_workload_that_moved_before_may_move_again() -> None:
    def both(faster: Sequence[int], other: Sequence[int]) -> float:
        return spread([Asked(pattern(faster), step(9, 3)), Asked(pattern(other), steady(6))])

    assert both(RISING, FALLING) > 1.3 * both(EVEN, EVEN)


def test_a_gain_that_every_query_shares_does_not_hang_on_how_often_they_run() -> None:
    alike = [Asked(pattern(w), step(9, 3)) for w in (RISING, FALLING)]
    assert spread(alike) == pytest.approx(spread(alike[:1]), rel=0.1)


def test_larger_gains_stray_further_and_none_at_all_a_little() -> None:
    widths = [spread([Asked(pattern(EVEN), step(10, after))]) for after in (10, 5, 2)]
    assert 0.05 < widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize(
    ("windows", "note"),
    [
        (None, "the recorded runs have no times, so how the workload varies is unknown"),
        (MONTH.model_copy(update={"count": 1}), "the runs of 1 day do not show how the workload"),
        (MONTH.model_copy(update={"count": FEWEST_WINDOWS - 1}), "the runs of 6 days do not show"),
    ],
)
def test_where_the_log_is_short_or_has_no_times_more_is_possible_and_said(
    windows: Windows | None, note: str
) -> None:
    count = windows.count if windows else 0
    queries = [
        Asked(pattern((10,) * count), step(9, 3)), Asked(pattern((10,) * count), steady(6)),
    ]  # fmt: skip
    known = [Asked(pattern(EVEN), q.step) for q in queries]
    assert spread(queries, windows) > spread(known)
    assert expected(queries, windows).note.startswith(note)


def test_what_was_recorded_without_times_keeps_its_weight() -> None:
    dated, undated = Asked(pattern(EVEN), step(9, 3)), Asked(pattern((), runs=300), steady(6))
    found = expected([dated, undated], MONTH).ratio
    assert found.mid == pytest.approx((9 + 6) / (3 + 6), rel=0.01)


def test_times_of_other_statements_say_nothing_of_queries_without_any() -> None:
    """Writes of a log beside a script of queries: the days are there, and none of a query."""
    asked = [Asked(pattern((), runs=300), step(9, 3)), Asked(pattern((), runs=300), steady(6))]
    found = expected(asked, MONTH)
    assert found == expected(asked, None)
    assert (found.days, found.note.partition(",")[0]) == (0, "the recorded runs have no times")


def test_a_query_that_is_asked_no_more_brings_nothing() -> None:
    gone = Asked(pattern(EVEN, ceased="asked until 2026-03-18"), step(9, 3))
    found = expected([gone, Asked(pattern(EVEN), steady(6))], MONTH).ratio
    assert found.low < found.mid == 1 < found.high < 1.1


def test_nothing_asked_is_no_change() -> None:
    gone = Asked(pattern(EVEN, ceased="asked until 2026-03-18"), step(9, 3))
    assert expected([gone], MONTH).ratio.mid == 1


def test_drawn_months_hold_the_gain_of_another_month() -> None:
    """A month of the same habits, measured by another run: the 95 % that the interval says."""
    random = np.random.default_rng(3)
    habit = np.array([5.0, 5, 5, 5, 5, 1, 1] * 4 + [5.0, 5])
    held = 0
    for _ in range(100):
        counts = random.poisson(habit * random.gamma(5, 0.2, (3, 30)))
        later = random.poisson(habit * random.gamma(5, 0.2, (3, 30))).sum(axis=1)
        times = [(9.0, 3.0), (4.0, 4.0), (8.0, 7.0)]
        noise = random.normal(0, 0.03, (3, 5))
        raced = [
            Asked(
                pattern([int(c) for c in row]),
                paired_steps([[b * float(np.exp(x)) for x in n]], [[a] * 5])[0],
            )
            for row, (b, a), n in zip(counts, times, noise, strict=True)
        ]
        found = expected(raced, MONTH).ratio
        weighted = [later @ np.array([t[side] for t in times]) for side in (0, 1)]
        held += found.low <= weighted[0] / weighted[1] <= found.high
    assert held >= 95
