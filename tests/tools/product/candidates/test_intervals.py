"""Intervals that a syntax tree loses a part of are no part of an answer in other words."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.intervals import intervals_kept
from tools.product.candidates.rules import apply_rule

KEPT = [
    "'30 days'", "'-1 month'", "'1' DAY", "'1.5' DAY", "'3' YEAR", "5 DAYS", "(2 + 1) HOUR",
    "'2 weeks' AS x", "'7 DAYS' FROM t",
]  # fmt: skip
LOST = [
    "'30 days 05:00'", "'30 days ago'", "'1 days garbage'", "'30 days -05:00'", "'1 month 2 days'",
    "'1.5 days'", "'5 min'", "'3 mon'", "'+3 days'", "'P1D'", "''", "'1 day' year", "'1 day' x",
    "E'3 days'", "$$3 days ago$$", "'1-2' YEAR TO MONTH", "DATE '2024-01-01'",
]  # fmt: skip


@pytest.mark.parametrize("text", KEPT)
def test_a_number_and_its_unit_are_kept(text: str) -> None:
    assert intervals_kept(f"SELECT a - INTERVAL {text}")


@pytest.mark.parametrize("text", LOST)
def test_anything_else_is_not_taken_for_kept(text: str) -> None:
    assert not intervals_kept(f"SELECT a - interval {text}")


def test_every_interval_of_a_text_counts() -> None:
    assert not intervals_kept("SELECT INTERVAL '1 day', INTERVAL '1 day ago'")
    assert intervals_kept("SELECT 'INTERVAL ''1 day ago''' -- INTERVAL '1 day ago'")


NUMBERS = st.integers(-99, 99).map(str)
UNITS = st.sampled_from(
    "second seconds minute HOUR hours day Days week month months quarter year decade ago min m d"
    " 05:00 century millennium us garbage".split()
)


@given(st.lists(st.one_of(NUMBERS, UNITS), min_size=1, max_size=4).map(" ".join))
def test_what_is_kept_is_the_same_interval_to_the_engine(text: str) -> None:
    sql = f"SELECT CAST(INTERVAL '{text}' AS VARCHAR)"
    if not intervals_kept(sql):
        return
    again = sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb")
    with duckdb.connect() as con:
        try:
            right = con.execute(sql).fetchall()
        except duckdb.Error:
            return
        assert con.execute(again).fetchall() == right


def test_no_rule_rewrites_a_text_whose_interval_would_change() -> None:
    of = "SELECT count(*) FROM t WHERE year(d) = 2026 AND d >= DATE '2026-07-09' - INTERVAL '{}'"
    assert apply_rule("year_number", of.format("10 days")) is not None
    assert apply_rule("year_number", of.format("10 days ago")) is None


def test_no_summary_answers_a_text_whose_interval_would_change() -> None:
    summary = CreateSummary(
        table=TableName(name="t"),
        summary=TableName(name="s"),
        dimensions=(Dimension(expression='"d"', column="d"),),
        aggregates=(Aggregate(function="count", argument="", column="count_0"),),
        rewrites=(),
    )
    of = "SELECT count(*) AS n FROM t WHERE d >= current_date - INTERVAL '{}'"
    assert answer_from_summary(of.format("30 days"), summary) is not None
    assert answer_from_summary(of.format("30 days 05:00"), summary) is None
