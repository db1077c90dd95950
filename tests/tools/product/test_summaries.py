"""Summary tables stay exact, whatever is written to their base table."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.messages import Aggregate, ContractVerdict, CreateSummary, Dimension, TableName
from tools.product import summaries, summary_content
from tools.product.catalog import read_catalog
from tools.product.contract_risks import risks
from tools.product.results import capture, difference
from tools.product.sound_summaries import unsound

BASE = TableName(name='the "base"')
KEYS = ('"k e y"', "d", "coalesce(\"k e y\", 'none')")
CHANGE = CreateSummary(
    table=BASE,
    summary=TableName(name="sums"),
    dimensions=tuple(Dimension(expression=e, column=f"d{i}") for i, e in enumerate(KEYS[:2])),
    aggregates=tuple(
        Aggregate(function=f, argument=a, column=f"a{i}")  # type: ignore[arg-type]
        for i, (f, a) in enumerate(
            [
                ("count", ""), ("count", "n"), ("sum", "n"), ("sum", "price"), ("min", "n"),
                ("max", "n"), ("min", "d"), ("max", '"k e y"'), ("sum", "n + n"), ("sum", "f"),
                ("sum", "CAST(n AS DECIMAL(12,1))"),
            ]
        )
    ),
    rewrites=(),
)  # fmt: skip
SEVERAL = CHANGE.model_copy(
    update={
        "dimensions": tuple(Dimension(expression=e, column=f"d{i}") for i, e in enumerate(KEYS)),
        "groupings": (
            ("d1", "a0", "a2", "a9"),
            ("d2", "a3", "a4", "a7"),
            ("d0", "d1", *(a.column for a in CHANGE.aggregates)),
        ),
    }
)
COUNTED = SEVERAL.model_copy(
    update={"groupings": tuple(dict.fromkeys((*g, "a0")) for g in SEVERAL.groupings)}
)
"""Every grouping counts its rows, and so tells of a group that it is gone."""
CHANGES = st.sampled_from([CHANGE, SEVERAL, COUNTED])
KEY = st.sampled_from(["NULL", "'a'", "'NULL'", "''", "'o''c'", "'a, NULL'"])
DAY = st.sampled_from(["NULL", "DATE '2024-02-29'", "DATE '1969-12-31'"])
NUMBER = st.sampled_from(["NULL", "0", "-7", "12", "2147483647"])
PRICE = st.sampled_from(["NULL", "0.01", "-99.99", "7"])
FLOAT = st.sampled_from(["NULL", "0.1", "-1e10", "3"])
ROW = st.tuples(KEY, DAY, NUMBER, PRICE, FLOAT).map(lambda r: f"({', '.join(r)})")
CONDITION = st.one_of(
    st.just("TRUE"),
    KEY.map(lambda k: f'"k e y" IS NOT DISTINCT FROM {k}'),
    NUMBER.map(lambda n: f"n >= {n}"),
)
SETTING = st.one_of(
    KEY.map(lambda k: f'"k e y" = {k}'),
    DAY.map(lambda d: f"d = {d}"),
    NUMBER.map(lambda n: f"n = {n}"),
    PRICE.map(lambda p: f"price = {p}"),
    st.just('"k e y" = d::VARCHAR'),
)


def inserting(rows: list[str]) -> str:
    return f"INSERT INTO {BASE.sql} VALUES {', '.join(rows)}"


STATEMENT = st.one_of(
    st.lists(ROW, min_size=1, max_size=6).map(inserting),
    st.tuples(SETTING, CONDITION).map(lambda p: f"UPDATE {BASE.sql} SET {p[0]} WHERE {p[1]}"),
    CONDITION.map(lambda c: f"DELETE FROM {BASE.sql} WHERE {c}"),
    st.sampled_from([
        f"INSERT INTO {BASE.sql} FROM {BASE.sql} LIMIT 20", f"TRUNCATE {BASE.sql}",
        f"INSERT INTO {BASE.sql} FROM {BASE.sql} WHERE FALSE", "BEGIN", "COMMIT", "ROLLBACK",
    ]),
)  # fmt: skip


def make(con: duckdb.DuckDBPyConnection, change: CreateSummary = CHANGE) -> None:
    con.execute(
        f"CREATE TABLE {BASE.sql}"
        ' ("k e y" VARCHAR, d DATE, n INTEGER, price DECIMAL(9,2), f DOUBLE)'
    )
    con.execute(
        f"INSERT INTO {BASE.sql} VALUES ('a', NULL, 1, 2, 3), (NULL, NULL, NULL, NULL, NULL)"
    )
    table = read_catalog(con).table(BASE)
    assert table is not None
    for statement in summaries.create(change, table):
        con.execute(statement)


def afresh(change: CreateSummary) -> str:
    """Return the query a summary must always equal."""
    figures = [f"{a.function}({a.argument or '*'}) AS {a.column}" for a in change.aggregates]
    if not change.groupings:
        keys = [f"{d.expression} AS {d.column}" for d in change.dimensions]
        return f"SELECT {', '.join([*keys, *figures])} FROM {BASE.sql} GROUP BY ALL"
    return " UNION ALL ".join(
        "SELECT "
        + ", ".join([
            f"{number} AS pillion_grouping",
            *(f"{d.expression if d.column in held else 'NULL'} AS {d.column}"
              for d in change.dimensions),
            *(f if a.column in held else f"NULL AS {a.column}"
              for a, f in zip(change.aggregates, figures, strict=True)),
        ])
        + f" FROM {BASE.sql} GROUP BY ALL"
        for number, held in enumerate(change.groupings)
    )  # fmt: skip


def stale(con: duckdb.DuckDBPyConnection, change: CreateSummary) -> str | None:
    kept = f"SELECT {'* EXCLUDE (pillion_key)' if change.groupings else '*'} FROM "
    rows = f"{kept}({summary_content.kept_rows(change)})"
    return difference(capture(con, afresh(change)), capture(con, rows))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(CHANGES, st.lists(STATEMENT, min_size=1, max_size=8))
def test_a_summary_equals_its_query_after_any_writes(
    change: CreateSummary, statements: list[str]
) -> None:
    with duckdb.connect() as con:
        make(con, change)
        for statement in statements:
            try:
                con.execute(statement)
            except duckdb.Error:
                with suppress(duckdb.Error):
                    con.execute("ROLLBACK")
            assert stale(con, change) is None


@settings(max_examples=20, deadline=None, derandomize=True)
@given(CHANGES, st.lists(STATEMENT, min_size=1, max_size=8))
def test_that_a_group_is_there_once_refuses_no_write(
    change: CreateSummary, statements: list[str]
) -> None:
    with duckdb.connect() as con:
        make(con, change)
        for statement in statements:
            assert "unique" not in refusal_of(con, statement).lower()


def refusal_of(con: duckdb.DuckDBPyConnection, statement: str) -> str:
    try:
        con.execute(statement)
    except duckdb.Error as exc:
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        return str(exc)
    return ""


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (CHANGE, "'new'"),
        (SEVERAL, "'new'"),
        (SEVERAL.model_copy(update={"groupings": (("d1", "a0"), ("d0", "d1", "a1"))}), "NULL"),
    ],
)
def test_two_first_rows_of_a_group_at_once_do_not_count_twice_later(
    change: CreateSummary, key: str
) -> None:
    with duckdb.connect() as one, one.cursor() as two:
        make(one, change)
        row = f"INSERT INTO {BASE.sql} VALUES ({key}, DATE '2026-01-01', 1, 2, 3)"
        for con in (one, two):
            con.execute("BEGIN")
            con.execute(row)
        one.execute("COMMIT")
        with pytest.raises(duckdb.TransactionException, match="UNIQUE"):
            two.execute("COMMIT")
        two.execute(row)
        one.execute(row)
        assert stale(one, change) is None


def test_writers_of_one_group_at_once_conflict_as_the_risks_say() -> None:
    row = inserting(["('a', NULL, 1, 2, 3)"])
    with duckdb.connect() as one, one.cursor() as two:
        make(one)
        one.execute(row)
        for con in (one, two):
            con.execute("BEGIN")
        one.execute(row)
        with pytest.raises(duckdb.TransactionException, match="Conflict"):
            two.execute(row)
        told = " ".join(risks(CHANGE, ContractVerdict(compatible=True), read_catalog(one)))
    assert "Of two writers at once whose rows belong to one group, the later one fails" in told


@pytest.mark.parametrize("change", [CHANGE, SEVERAL, COUNTED])
@pytest.mark.parametrize("gone_first", [True, False])
def test_a_group_that_goes_while_another_writer_adds_to_it_is_not_lost(
    change: CreateSummary, gone_first: bool
) -> None:
    write = [f"DELETE FROM {BASE.sql} WHERE \"k e y\" = 'a'", inserting(["('a', NULL, 5, 2, 3)"])]
    with duckdb.connect() as one, one.cursor() as two:
        make(one, change)
        for con in (one, two):
            con.execute("BEGIN")
            con.execute(f"SELECT count(*) FROM {BASE.sql}").fetchall()
        one.execute(write[not gone_first])
        one.execute("COMMIT")
        with pytest.raises(duckdb.TransactionException, match="Conflict"):
            two.execute(write[gone_first])
        two.execute("ROLLBACK")
        assert stale(one, change) is None
        two.execute(write[gone_first])
        assert stale(one, change) is None


@pytest.mark.parametrize("change", [CHANGE, COUNTED])
def test_what_is_left_of_groups_is_swept_though_one_summary_cannot_be(
    change: CreateSummary,
) -> None:
    elsewhere = change.model_copy(update={"summary": TableName(name="nowhere")})
    with duckdb.connect() as con:
        make(con, change)
        con.execute(f'DELETE FROM {BASE.sql} WHERE "k e y" IS NULL')
        summaries.sweep(con, [elsewhere, change])
        left = con.execute("SELECT count(*), count_if(a0 = 0) FROM sums").fetchall()
        assert left == [(len(change.groupings) or 1, 0)]
        con.execute(inserting(["(NULL, NULL, 1, 2, 3)"]))
        assert stale(con, change) is None


def test_a_table_that_declares_a_collation_gets_no_summary_by_hand_either() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (k VARCHAR COLLATE NOCASE, n INTEGER)")
        change = CreateSummary(
            table=TableName(name="t"), summary=TableName(name="sums"), rewrites=(),
            dimensions=(Dimension(expression="k", column="k"),),
            aggregates=(Aggregate(function="count", argument="", column="a0"),),
        )  # fmt: skip
        assert "declares a collation" in str(unsound(change, read_catalog(con).tables[0]))


def test_a_dimension_may_be_called_like_what_marks_a_group_that_is_there() -> None:
    change = CreateSummary(
        table=BASE, summary=TableName(name="sums"), rewrites=(),
        dimensions=(Dimension(expression="Pillion_Alive", column="Pillion_Alive"),),
        aggregates=(Aggregate(function="count", argument="", column="a0"),),
    )  # fmt: skip
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE {BASE.sql} AS SELECT i % 2 AS Pillion_Alive FROM range(4) r(i)")
        for statement in summaries.create(change, read_catalog(con).tables[0]):
            con.execute(statement)
        con.execute(f"DELETE FROM {BASE.sql} WHERE Pillion_Alive = 0")
        assert con.execute("FROM sums ORDER BY 1").fetchall() == [(0, 0), (1, 2)]


def test_many_groups_change_at_once() -> None:
    with duckdb.connect() as con:
        make(con)
        con.execute(
            f"INSERT INTO {BASE.sql} SELECT 'k' || i % 5000, NULL, i, i, 0 FROM range(20000) r(i)"
        )
        con.execute(f"UPDATE {BASE.sql} SET \"k e y\" = 'k' || n % 77, n = n % 9 WHERE n % 3 = 0")
        con.execute(f"DELETE FROM {BASE.sql} WHERE n < 9 OR n > 15000")
        assert stale(con, CHANGE) is None


def test_an_overflow_refuses_the_write_and_keeps_both_tables() -> None:
    with duckdb.connect() as con:
        change = CHANGE.model_copy(
            update={"aggregates": (Aggregate(function="sum", argument="n + n", column="s"),)}
        )
        make(con, change)
        with pytest.raises(duckdb.Error, match="Overflow"):
            con.execute(f"INSERT INTO {BASE.sql} VALUES ('z', NULL, 2147483647, 0, 0)")
        assert stale(con, change) is None


def test_an_appender_and_a_copy_keep_it_exact_too(tmp_path: Any) -> None:
    with duckdb.connect() as con:
        make(con)
        con.execute(f"COPY (FROM {BASE.sql}) TO '{tmp_path / 'rows.csv'}'")
        con.execute(f"COPY {BASE.sql} FROM '{tmp_path / 'rows.csv'}'")
        assert con.execute("SELECT sum(a0) FROM sums").fetchall() == [(4,)]
        assert stale(con, CHANGE) is None


def test_a_summary_whose_triggers_are_gone_is_not_exact() -> None:
    with duckdb.connect() as con:
        make(con)
        assert summaries.kept_exact(CHANGE, read_catalog(con))
        con.execute(f"CREATE OR REPLACE TABLE {BASE.sql} AS FROM {BASE.sql}")
        assert not summaries.kept_exact(CHANGE, read_catalog(con))


def test_macros_called_like_its_functions_while_rows_are_written_change_nothing_in_a_summary() -> (
    None
):
    month = Dimension(expression="date_trunc('month', d)", column="month")
    choice = "CASE WHEN \"k e y\" LIKE 'a%' THEN n + n END"
    change = CHANGE.model_copy(
        update={
            "dimensions": (*CHANGE.dimensions, month),
            "aggregates": (
                *CHANGE.aggregates[:-2], Aggregate(function="sum", argument=choice, column="c")
            ),
        }
    )  # fmt: skip
    macros = ["sum(v)", "count(v)", "min(v)", "max(v)", "least(v, w)",
              "greatest(v, w)", "date_trunc(p, v)", '"+"(v, w)',
              '"~~"(v, w)']  # fmt: skip
    with duckdb.connect() as con:
        make(con, change)
        for macro in macros:
            con.execute(f"CREATE MACRO {macro} AS NULL")
        con.execute(inserting(["('a', DATE '2024-02-29', 12, 7, 1)", "('ab', NULL, 5, 1, 1)"]))
        con.execute(inserting(["('a', DATE '2024-02-29', 12, 7, 1)"]))
        con.execute(f"UPDATE {BASE.sql} SET price = 9 WHERE \"k e y\" = 'ab'")
        con.execute(f"DELETE FROM {BASE.sql} WHERE n = 1")
        for macro in macros:
            con.execute(f"DROP MACRO {macro.partition('(')[0]}")
        assert stale(con, change) is None
