from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from evals.oracle.answers import Answer, difference, same

UNORDERED = "SELECT a FROM t"
ORDERED = "SELECT a FROM t ORDER BY a"


def test_an_answer_differs_by_names_rows_and_types_and_by_nothing_else() -> None:
    old = Answer(("a",), ("BIGINT",), [(1,), (2,)])
    told = {
        "": old._replace(rows=[(2,), (1,)], types=("DECIMAL(9,0)",)),
        "other columns (b)": old._replace(names=("b",)),
        "another answer": old._replace(rows=[(1,)]),
        "another type of a (DATE instead of BIGINT)": old._replace(types=("DATE",)),
    }
    assert {difference(UNORDERED, old, new): new for new in told.values()} == told


def test_order_counts_only_where_the_query_orders() -> None:
    assert same(UNORDERED, [(1,), (2,)], [(2,), (1,)])
    assert not same(ORDERED, [(1,), (2,)], [(2,), (1,)])


def test_an_order_inside_a_subquery_is_no_order_of_the_answer() -> None:
    sql = "SELECT count(*) FROM (SELECT a FROM t ORDER BY a LIMIT 5)"
    assert same(sql, [(1,), (2,)], [(2,), (1,)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.1 + 0.2, 0.3),
        (5, 5.0),
        (Decimal("1.50"), 1.5),
        ("2024-01-31", dt.date(2024, 1, 31)),
        ("5", 5),
        (None, None),
        (float("nan"), float("nan")),
    ],
)
def test_what_a_consumer_reads_as_the_same_is_the_same(before: object, after: object) -> None:
    assert same(UNORDERED, [(before,)], [(after,)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("007", 7),
        (1.0, 1.001),
        (None, 0),
        (None, "None"),
        ("a", "b"),
        ("5.10", 5.1),
        (1_234_567_890, 1_234_567_891),
        (9_007_199_254_740_993, 9_007_199_254_740_992.0),
        (Decimal("12345678901.25"), Decimal("12345678901.26")),
        (True, 1),
        (5, 5.000_000_000_1),
    ],
)
def test_what_a_consumer_reads_differently_is_another_answer(before: object, after: object) -> None:
    assert not same(UNORDERED, [(before,)], [(after,)])


def test_a_lost_duplicate_is_another_answer() -> None:
    assert not same(UNORDERED, [(1,), (1,)], [(1,)])
    assert not same(UNORDERED, [(1,), (1,), (2,)], [(1,), (2,), (2,)])
