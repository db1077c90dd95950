"""Sums of whole numbers in a DOUBLE: the engine's own to the last bit, or no answer."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.finding import look
from tools.messages import (
    Aggregate,
    ChangeType,
    ContractVerdict,
    CreateSummary,
    Dimension,
    TableName,
)
from tools.product import executor, summaries
from tools.product.candidates import unions
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.whole_numbers import aggregates_of, whole
from tools.product.catalog import read_catalog
from tools.product.contract_risks import risks
from tools.product.dispatch import alike, dispatched
from tools.product.errors import Refused
from tools.product.fingerprint import parse
from tools.product.idle_texts import idle_texts
from tools.product.owner import Limits, Owner
from tools.product.sound_summaries import unsound
from tools.product.workload_store import UNDATED, Observation, WorkloadStore

T = TableName(name="t")
ROWS = (
    "CREATE TABLE t AS SELECT chr(97 + (i % 3)::INTEGER) AS g, i % 4 AS b, (i % 90 - 10)::DOUBLE AS"
    " x, (i % 90 - 10)::VARCHAR AS s, i AS n, (i % 7)::FLOAT AS r, i % 7 / 2 AS half"
    " FROM range(24000) r(i)"
)
TEXT = "TRY_CAST(s AS DOUBLE)"
LATE = "CASE WHEN b > 1 THEN x END"
QUERIES = (
    ("SELECT g, sum(x) AS a, avg(x) AS m, count(x) AS n FROM t GROUP BY g", "x", "TRUE"),
    ("SELECT avg(x) AS m FROM t WHERE g = 'a'", "x", "g = 'a'"),
    ("SELECT sum(x) + 1 AS m, round(avg(x), 1) AS r FROM t WHERE g > 'a'", "x", "g > 'a'"),
    (f"SELECT g, avg({TEXT}) AS m FROM t GROUP BY g HAVING sum({TEXT}) > -9", TEXT, "TRUE"),
    ("SELECT g, {} FROM t GROUP BY g ORDER BY {}".format(
        "avg(s::DOUBLE) AS m", "sum(s::DOUBLE) DESC"), "s::DOUBLE", "TRUE"),
    ("SELECT g, avg(x) FILTER (b > 1) AS m FROM t GROUP BY g", LATE, "TRUE"),
    ("SELECT sum(x) FILTER (WHERE g = 'a') AS m FROM t", "x", "g = 'a'"),
    (f"SELECT sum({LATE}) AS m, avg({LATE}) AS a FROM t", LATE, "TRUE"),
)  # fmt: skip
WHOLE = ["0", "-0.0", "1", "-7", "12", "1048576", "-1048576", "NULL"]
OTHERS = ["0.5", "-0.1", "nan", "inf", "-inf", "1048577", "1e300", "5e-324", "9007199254740993"]
VALUE = st.one_of(*[st.sampled_from(WHOLE)] * 3, st.sampled_from(OTHERS))
KEY = st.sampled_from(["'a'", "'b'", "NULL"])


def text_of(value: str) -> str:
    return value if value == "NULL" else f"'{value}'"


ROW = st.tuples(KEY, st.integers(0, 3), VALUE).map(
    lambda r: f"({r[0]}, {r[1]}, {text_of(r[2])}::DOUBLE, {text_of(r[2])})"
)
STATEMENT = st.one_of(
    st.lists(ROW, min_size=1, max_size=5).map(
        lambda rows: f"INSERT INTO t (g, b, x, s) VALUES {', '.join(rows)}"
    ),
    st.tuples(KEY, VALUE, st.integers(0, 3)).map(
        lambda p: (
            f"UPDATE t SET x = {text_of(p[1])}, s = {text_of(p[1])}"
            f" WHERE g IS NOT DISTINCT FROM {p[0]} AND b = {p[2]}"
        )
    ),
    KEY.map(lambda k: f"UPDATE t SET g = {k} WHERE b = 1"),
    KEY.map(lambda k: f"DELETE FROM t WHERE g IS NOT DISTINCT FROM {k}"),
    st.just(f"DELETE FROM t WHERE x <> floor(x) OR NOT abs(x) <= {2**20}"),
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(ROWS)
        yield con


def proposed(con: duckdb.DuckDBPyConnection, *queries: str) -> CreateSummary:
    """Return the summary of most queries that the finder makes of a workload."""
    candidates = look(con, queries, {"create_summary"}).candidates
    best = max(candidates, key=lambda c: len(c.fingerprints)).change
    assert isinstance(best, CreateSummary)
    return best


def made(con: duckdb.DuckDBPyConnection, *queries: str) -> CreateSummary:
    change = proposed(con, *queries)
    executor.apply(con, "p1", change)
    return change


def bits(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Return rows with each DOUBLE as its bytes."""
    rows = con.execute(sql).fetchall()
    packed = (
        tuple(struct.pack("d", v) if isinstance(v, float) else v for v in row) for row in rows
    )
    return list(packed) if "ORDER BY" in sql else sorted(packed, key=repr)


def all_whole(con: duckdb.DuckDBPyConnection, value: str, condition: str) -> bool:
    found = con.execute(f"SELECT {value} FROM t WHERE {condition}").fetchall()
    numbers = [v for (v,) in found if v is not None]
    return all(math.isfinite(v) and v.is_integer() and abs(v) <= 2**20 for v in numbers)


def answers(con: duckdb.DuckDBPyConnection, change: CreateSummary) -> list[str]:
    found = [answer_from_summary(query, change) for query, _, _ in QUERIES]
    texts = [text for text in found if text is not None]
    assert len(texts) == len(QUERIES)
    assert all(alike(con, q, text) for (q, _, _), text in zip(QUERIES, texts, strict=True))
    return texts


def check(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    """Hold every answer against the engine's own."""
    for (query, value, condition), answer in zip(QUERIES, texts, strict=True):
        try:
            found = bits(con, answer)
        except duckdb.InvalidInputException as exc:
            assert "some values are not whole" in str(exc)
            assert not all_whole(con, value, condition)
        else:
            assert found == bits(con, query)


@cache
def served() -> CreateSummary:
    """Return the summary that answers all these queries."""
    with duckdb.connect() as con:
        con.execute(ROWS)
        change = proposed(con, *(q for q, _, _ in QUERIES))
    assert len(change.rewrites) == len(QUERIES)
    return change


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(STATEMENT, min_size=1, max_size=8))
def test_an_answer_after_any_writes_is_the_engines_own_to_the_last_bit(
    statements: list[str],
) -> None:
    with duckdb.connect() as con:
        con.execute(ROWS.replace("24000", "40"))
        change = served()
        for statement in summaries.create(change, read_catalog(con).tables[0]):
            con.execute(statement)
        texts = answers(con, change)
        check(con, texts)
        for statement in statements:
            con.execute(statement)
            check(con, texts)


def test_sums_of_very_many_whole_numbers_are_the_engines_own(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "INSERT INTO t (g, b, x, s) SELECT 'd', 2, v, v::VARCHAR FROM (SELECT"
        f" (hash(i) % {2**20})::DOUBLE * CASE WHEN i % 3 = 0 THEN -1 ELSE 1 END AS v"
        " FROM range(400000) r(i))"
    )
    con.execute("INSERT INTO t (g, b, x, s) SELECT 'z', 2, -0.0, '-0.0' FROM range(5000)")
    check(con, answers(con, made(con, *(q for q, _, _ in QUERIES))))
    (zero,) = bits(con, "SELECT sum(x) AS a, avg(x) AS m FROM t WHERE g = 'z'")
    assert zero == (struct.pack("d", 0.0),) * 2


@pytest.mark.parametrize(
    ("column", "value"),
    [("x", "NaN"), ("x", "-Infinity"), ("x", "1048577"), ("x", "-1e19"), (TEXT, "0.5"),
     ("CAST(s AS DOUBLE)", "Infinity"), (LATE, "0.5")],
)  # fmt: skip
def test_a_sum_of_floats_gets_a_summary_only_while_all_are_whole(
    con: duckdb.DuckDBPyConnection, column: str, value: str
) -> None:
    query = f"SELECT g, avg({column}) AS m FROM t GROUP BY g"
    assert proposed(con, query).rewrites[0][0] == query
    con.execute(f"UPDATE t SET x = '{value}', s = '{value}' WHERE n = 20003")
    found = look(con, [query], {"create_summary"})
    assert found.candidates == ()
    assert "some values are no whole numbers up to 1048576" in found.notes[0]


@pytest.mark.parametrize(
    "value",
    ["r", "half", "x + 1", "CAST(x AS FLOAT)", "CASE WHEN b > 1 THEN x ELSE 0 END", "abs(x)",
     "CAST(x + 1 AS DOUBLE)", "CASE b WHEN 1 THEN x END", "DISTINCT x", whole(parse("n"))],
)  # fmt: skip
def test_no_other_sum_of_floats_gets_a_summary(con: duckdb.DuckDBPyConnection, value: str) -> None:
    found = look(con, [f"SELECT g, sum({value}) AS m FROM t GROUP BY g"], {"create_summary"})
    assert found.candidates == ()


def test_a_value_that_fails_leaves_the_table_without_a_summary_for_its_sum(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("UPDATE t SET s = 'NA' WHERE n = 7")
    failing = look(con, ["SELECT g, avg(s::DOUBLE) AS m FROM t GROUP BY g"], {"create_summary"})
    assert failing.candidates == ()
    proposed(con, f"SELECT g, avg({TEXT}) AS m FROM t GROUP BY g")


def test_a_trigger_adds_the_whole_numbers_of_new_rows_without_reading_the_table(
    con: duckdb.DuckDBPyConnection,
) -> None:
    made(con, QUERIES[0][0])
    (text,) = con.execute(
        "SELECT sql FROM duckdb_triggers() WHERE trigger_name LIKE '%_insert'"
    ).fetchall()
    assert "fresh" in text[0] and "pillion_alive" not in text[0]


def test_the_risk_of_a_cast_is_told_of_what_is_cast_alone(con: duckdb.DuckDBPyConnection) -> None:
    change, catalog = proposed(con, QUERIES[4][0]), read_catalog(con)
    told = [r for r in risks(change, ContractVerdict(compatible=True), catalog) if "fails is" in r]
    assert told == ['A row for which CAST("s" AS DOUBLE) fails is refused when it is written.']


def summary_of(value: str) -> CreateSummary:
    needed = sorted(aggregates_of(parse(f"SELECT {value}").expressions[0]))
    return CreateSummary(
        table=T, summary=TableName(name="sums"), rewrites=(),
        dimensions=(Dimension(expression="g", column="g"),),
        aggregates=tuple(
            Aggregate(function="sum" if f == "sum" else "count", argument=a, column=f"a{i}")
            for i, (f, a) in enumerate(needed)
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "sound"),
    [("x", True), ("n", False), ("r", False), ("CAST(n AS DOUBLE)", True),
     ("CAST(n AS DECIMAL(18,2))", False)],
)  # fmt: skip
def test_whole_numbers_are_kept_of_a_double_alone(
    con: duckdb.DuckDBPyConnection, value: str, sound: bool
) -> None:
    (table,) = read_catalog(con).tables
    fault = unsound(summary_of(value), table)
    assert fault is None if sound else "read as whole numbers of a DOUBLE" in str(fault)


@pytest.mark.parametrize(
    ("query", "column", "kinds", "refused"),
    [
        (QUERIES[0][0], "x", ("DOUBLE", "BIGINT"), True),
        (QUERIES[0][0], "x", ("DOUBLE", "FLOAT"), True),
        (QUERIES[3][0], "s", ("VARCHAR", "DOUBLE"), False),
        (QUERIES[3][0], "s", ("VARCHAR", "INTEGER"), False),
    ],
)
def test_a_type_changes_only_where_what_was_a_double_stays_one(
    con: duckdb.DuckDBPyConnection, query: str, column: str, kinds: tuple[str, str], refused: bool
) -> None:
    made(con, query)
    was, kind = kinds
    change = ChangeType(
        table=T, column=column, from_type=was, to_type=kind,
        forward=f"CAST({column} AS {kind})", backward=f"CAST({column} AS {was})",
    )  # fmt: skip
    if refused:
        with pytest.raises(Refused, match="keeps what it is computed from"):
            executor.apply(con, "p2", change)
        return
    executor.apply(con, "p2", change)
    answer = dispatched(con, query, executor.dispatch_rewrites(con))
    assert answer != query and bits(con, answer) == bits(con, query)


def test_a_macro_called_like_what_tells_whole_numbers_changes_nothing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    query = QUERIES[0][0]
    con.execute("CREATE MACRO abs(a) AS 0; CREATE MACRO floor(a) AS a")
    change = made(con, query)
    con.execute("INSERT INTO t (g, x) VALUES ('e', 0.5), ('f', 3)")
    answer = answer_from_summary(query, change)
    assert answer is not None
    with pytest.raises(duckdb.InvalidInputException, match="not whole, of 1"):
        con.execute(answer)
    con.execute("DROP MACRO abs; DROP MACRO floor; DELETE FROM t WHERE g = 'e'")
    assert bits(con, answer) == bits(con, query)
    con.execute("CREATE MACRO error(a) AS 7.0")
    assert dispatched(con, query, executor.dispatch_rewrites(con)) == query
    executor.undo(con, "p1")
    assert look(con, [query], {"create_summary"}).candidates == ()


def test_what_came_in_that_is_not_whole_is_told(con: duckdb.DuckDBPyConnection) -> None:
    made(con, *(q for q, _, _ in QUERIES))
    assert idle_texts(con, read_catalog(con)) == ()
    con.execute("INSERT INTO t (g, b, x) VALUES ('d', 0, 0.5)")
    (told,) = idle_texts(con, read_catalog(con))
    assert "answers fewer queries: some rows hold another value by now" in told
    assert 'up to 1048576 in "x", and' in told
    assert "pillion undo p1" in told
    con.execute("DELETE FROM t WHERE x = 0.5")
    assert idle_texts(con, read_catalog(con)) == ()


def test_a_grouping_without_the_sum_of_a_value_is_not_told_to_hold_fractions(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unions, "MAX_DIMENSIONS", 1)
    queries = (
        "SELECT g, count(x) AS c FROM t GROUP BY g",
        "SELECT b, avg(x) AS m FROM t GROUP BY b",
    )
    change = made(con, *queries)
    assert len(change.groupings) == 2
    assert idle_texts(con, read_catalog(con)) == ()
    con.execute("INSERT INTO t (g, b, x) VALUES ('d', 0, 0.5)")
    assert len(idle_texts(con, read_catalog(con))) == 1


def test_a_consumer_gets_its_own_answer_where_a_value_is_not_whole(tmp_path: Path) -> None:
    query, late = QUERIES[0][0], QUERIES[1][0]
    with duckdb.connect(str(tmp_path / "p.duckdb")) as con:
        con.execute(ROWS)
        made(con, query, late)
    store = WorkloadStore(tmp_path / "w.db")
    owner = Owner(tmp_path / "p.duckdb", store, {"memory_limit": "300MB", "threads": "1"})
    try:
        store.record(Observation(q, UNDATED, 1, "tap") for q in (query, late))
        assert owner.rewritten(query) != query
        before = owner.workload(owner.catalog())
        with owner.cursor() as con:
            con.execute("INSERT INTO t (g, x) VALUES ('b', 0.5), ('c', 'nan')")
        with owner.cursor() as con:
            own = con.execute(query).fetchall()
        with pytest.raises(duckdb.InvalidInputException, match="not whole"), owner.cursor() as con:
            con.execute(owner.rewritten(query)).fetchall()
        for _ in range(3):
            answered = owner.query(query, "c", Limits()).rows
            assert sorted(map(repr, answered)) == sorted(map(repr, own))
        assert owner.query_arrow(query, "c", Limits()).table.num_rows == 3
        assert all(p.rewritten for p in before.patterns)
        after = owner.workload(owner.catalog())
        assert {p.sql: p.rewritten for p in after.patterns}[query] is False
        assert [p.rewritten for p in after.patterns if p.sql != query] == [True]
    finally:
        owner.close()
        store.close()
