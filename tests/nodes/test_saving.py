"""What a change saves on its own queries: news only where it moves, not what it is held against."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.saving import Saving, saves_otherwise
from tests.factories import make_evidence, make_interval, make_timing
from tools.messages import Expected, QueryTiming

OTHER = "SELECT max(arr_delay) FROM flights"


def timing(
    before: float, after: float, runs: int = 10, sql: str = OTHER, **fields: Any
) -> QueryTiming:
    values = {"share": 0.5, "ratio": make_interval(before / after, 0.01)} | fields
    return make_timing(sql, before, after, runs=runs, **values)


def saving(*queries: QueryTiming, days: int = 30) -> Saving:
    expected = Expected(ratio=make_interval(2.0), days=days)
    found = Saving.of(make_evidence(queries=queries, expected=expected))
    assert found is not None
    return found


@pytest.mark.parametrize("days", [0, 3, 30])
@pytest.mark.parametrize(
    ("before", "after", "news"), [(10, 5, False), (12, 5, False), (20, 5, True), (10, 8, True)]
)
def test_another_saving_of_the_same_runs_is_news(
    days: int, before: float, after: float, news: bool
) -> None:
    then, now = saving(timing(10, 5), days=days), saving(timing(before, after), days=days)
    assert (saves_otherwise(then, now, 0.5) is not None) == news


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (30, "It saved 2 ms a day (60 ms in all recorded runs) then and saves 4 ms a day (120 ms"
             " in all recorded runs) now."),
        (6, "It saved 6 ms a run of its queries (60 ms in all recorded runs) then and saves 12 ms"
            " a run of its queries (120 ms in all recorded runs) now."),
    ],
)  # fmt: skip
def test_what_is_told_names_what_was_compared(days: int, told: str) -> None:
    then, now = saving(timing(10, 4), days=days), saving(timing(20, 8), days=days)
    assert saves_otherwise(then, now, 0.5) == told


@pytest.mark.parametrize(("first", "last"), [(30, 300), (0, 0), (0, 90), (2, 3)])
def test_a_longer_log_is_no_news(first: int, last: int) -> None:
    then = saving(timing(10, 5, runs=100), days=first)
    assert saves_otherwise(then, saving(timing(10, 5, runs=1000), days=last), 0.5) is None


def test_queries_that_are_asked_more_often_are_news() -> None:
    then, now = saving(timing(10, 5, runs=100)), saving(timing(10, 5, runs=1000), days=31)
    assert saves_otherwise(then, now, 0.5) is not None


def test_runs_that_are_listed_once_are_no_news_as_days_go_by() -> None:
    assert saves_otherwise(saving(timing(10, 5)), saving(timing(10, 5), days=300), 0.5) is None


def test_runs_that_it_does_not_touch_are_no_news() -> None:
    own, cheap = timing(10, 5), timing(0.1, 0.1, 10_000, "SELECT 1")
    for days in (0, 30):
        assert saves_otherwise(saving(own, days=days), saving(own, cheap, days=days), 0.5) is None


@given(faster=st.floats(1.01, 100), days=st.sampled_from([0, 30]))
def test_queries_that_take_less_without_it_by_now_leave_less_to_save(
    faster: float, days: int
) -> None:
    then, now = saving(timing(10, 5), days=days), saving(timing(10 / faster, 5 / faster), days=days)
    assert saves_otherwise(then, now, 0.5) is None


@pytest.mark.parametrize(("after", "news"), [(9.951, False), (9.89, True)])
def test_next_to_nothing_counts_as_a_hundredth_of_the_time_of_its_queries(
    after: float, news: bool
) -> None:
    none = timing(10, 10, ratio=make_interval(1.0, 0.0))
    little = timing(10, after, ratio=make_interval(10 / after, 0.0))
    assert (saves_otherwise(saving(none), saving(little), 0.5) is not None) == news


def test_a_change_that_only_costs_is_compared_as_well() -> None:
    then, now = saving(timing(10, 10.5)), saving(timing(10, 20))
    told = saves_otherwise(then, now, 0.5)
    assert told is not None and "-" in told


def test_what_is_asked_no_more_saves_nothing() -> None:
    ceased = timing(100, 1, share=0.0, sql="SELECT 1")
    assert saving(timing(10, 5), ceased) == saving(timing(10, 5))
    for queries in ((), (ceased,)):
        assert Saving.of(make_evidence(queries=queries)) is None


def test_evidence_of_before_says_nothing_of_days() -> None:
    found = Saving.of(make_evidence(expected=None))
    assert found is not None and found.days == 0


@given(st.lists(st.tuples(st.floats(0.01, 1e4), st.floats(0.01, 1e4)), min_size=1, max_size=20))
def test_the_interval_of_a_sum_holds_it_and_is_no_wider_than_all_together(
    times: list[tuple[float, float]],
) -> None:
    queries = [timing(b, a, sql=f"SELECT {n}") for n, (b, a) in enumerate(times)]
    total, parts = saving(*queries).total, [saving(q).total for q in queries]
    assert total.low <= total.mid <= total.high
    widest = sum(p.high - p.low for p in parts)
    assert total.high - total.low <= widest * 1.001 + 1e-6
