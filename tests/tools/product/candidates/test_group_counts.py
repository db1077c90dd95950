"""Groups are counted exactly in small tables and estimated from a sample in large ones."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.messages import TableName
from tools.product.candidates import group_counts
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.group_counts import GroupCounts, unseen_groups
from tools.product.catalog import read_catalog
from tools.product.workload import Workload

ROWS = 400_000
T = TableName(name="t")


def counts(con: duckdb.DuckDBPyConnection) -> tuple[GroupCounts, list[str]]:
    columns = "i % 365 AS day, hash(i) % 90000 AS key, i"
    con.execute(f"CREATE TABLE t AS SELECT {columns} FROM range({ROWS}) r(i)")
    asked: list[str] = []

    def probe(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return con.execute(sql, list(parameters)).fetchall()

    catalog = read_catalog(con)
    context = CandidateContext("p", catalog, Workload(patterns=()), probe)
    return GroupCounts(context), asked


def test_a_small_table_is_counted_whole_and_once(con: duckdb.DuckDBPyConnection) -> None:
    groups, asked = counts(con)
    assert groups.count(T, frozenset({"day"})) == 365
    assert groups.count(T, frozenset({"key"})) == pytest.approx(90_000, rel=0.02)
    assert groups.count(T, frozenset()) == 1
    assert groups.few(T, frozenset({"day"})) and not groups.few(T, frozenset({"key"}))
    assert len(asked) == 3 and "TABLESAMPLE" not in "".join(asked)


def test_a_large_table_is_estimated_from_a_sample(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_counts, "SAMPLE_ROWS", 100_000)
    groups, asked = counts(con)
    assert groups.count(T, frozenset({"day"})) == 365
    assert groups.count(T, frozenset({"key"})) == pytest.approx(90_000, rel=0.3)
    assert groups.count(T, frozenset({"i"})) > ROWS / 2
    assert not groups.few(T, frozenset({"key"}))
    assert ["TABLESAMPLE" in sql for sql in asked] == [True] * 3


def test_so_many_sets_are_counted_and_no_more(con: duckdb.DuckDBPyConnection) -> None:
    groups, asked = counts(con)
    answers = [groups.few(T, frozenset({f"day + {n}"})) for n in range(group_counts.MAX_COUNTS + 4)]
    assert answers == [True] * group_counts.MAX_COUNTS + [False] * 4
    assert len(asked) == group_counts.MAX_COUNTS


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_groups_that_a_sample_missed_are_never_fewer_than_none(once: int, twice: int) -> None:
    assert unseen_groups(once, twice) >= 0
    assert unseen_groups(0, twice) == 0
