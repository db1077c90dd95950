from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from evals.oracle.answers import same
from evals.scenarios.families import families
from evals.scenarios.scenario import Known, Scenario
from tools.messages import CreateIndex, CreateSummary, SortTable, TableName


def contents(scenario: Scenario) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(scenario.database), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        return {
            name: con.execute(f"SELECT count(*), sum(hash(t)) FROM {quote(name)} AS t").fetchall()
            for (name,) in tables
        }


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("family", sorted(families()))
def test_a_scenario_is_whole_and_the_same_from_the_same_seed(family: str, tmp_path: Path) -> None:
    for place in "abc":
        (tmp_path / place).mkdir()
    first = families()[family](1, tmp_path / "a")
    again = families()[family](1, tmp_path / "b")
    other = families()[family](2, tmp_path / "c")
    assert contents(first) == contents(again)
    assert (first.later, first.later_data) == (again.later, again.later_data)
    assert contents(first) != contents(other)
    with first.log.open(newline="") as log:
        assert all(float(line["duration_ms"]) >= 0 for line in csv.DictReader(log))
    with duckdb.connect(str(first.database)) as con:
        for statement in (*first.later_data, *first.later_data):
            con.execute(statement)
        for query in first.later:
            assert query.runs > 0
            con.execute(query.sql).fetchall()


@pytest.mark.parametrize("family", sorted(families()))
def test_the_best_product_gives_the_same_answers(family: str, tmp_path: Path) -> None:
    scenario = families()[family](3, tmp_path)
    if scenario.best is None:
        assert scenario.expects != "gain"
        return
    texts = dict(scenario.best.texts)
    with duckdb.connect(str(scenario.database)) as con:
        before = {q.sql: con.execute(q.sql).fetchall() for q in scenario.later}
        for statement in scenario.best.statements:
            con.execute(statement)
        for sql, rows in before.items():
            assert same(sql, rows, con.execute(texts.get(sql, sql)).fetchall())


def test_a_known_improvement_is_recognised_by_kind_table_and_column() -> None:
    table = TableName(name="sales")
    known = Known(("create_index", "sort_table"), "sales", "day")
    assert known.is_brought_by(CreateIndex(table=table, columns=("day",), name="i"))
    assert known.is_brought_by(SortTable(table=table, order_by=("day", "id")))
    assert not known.is_brought_by(SortTable(table=table, order_by=("id", "day")))
    assert not known.is_brought_by(CreateIndex(table=table, columns=("id",), name="i"))
    elsewhere = TableName(name="orders")
    assert not known.is_brought_by(CreateIndex(table=elsewhere, columns=("day",), name="i"))


def test_any_summary_of_the_table_is_the_known_summary() -> None:
    change = CreateSummary(
        table=TableName(name="sales"), summary=TableName(name="s"), dimensions=(), aggregates=(),
        rewrites=(),
    )  # fmt: skip
    assert Known(("create_summary",), "sales").is_brought_by(change)
