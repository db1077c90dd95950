"""Answers from a summary table: the same rows as the query itself, or none."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.finding import works
from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product import summaries
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.summary import find_summaries
from tools.product.catalog import Catalog, read_catalog
from tools.product.dispatch import alike
from tools.product.fingerprint import analyse
from tools.product.results import capture, difference
from tools.product.workload import QueryPattern, Workload

COLUMNS = (
    "region VARCHAR, month INTEGER, day DATE, amount INTEGER, price DECIMAL(9,2), f DOUBLE,"
    ' "select" VARCHAR, "we""ird" INTEGER, count_0 INTEGER, d0 VARCHAR, s STRUCT(region VARCHAR),'
    " tz TIMESTAMPTZ"
)
TEXTS = st.sampled_from(["a", "A", "b", "", "é", "É", "o'c", None])
INTS = st.sampled_from([0, 1, -3, 2_147_483_647, None])
DAYS = st.sampled_from(["2023-01-31", "2023-02-28", "2024-02-29", "0001-01-01", "infinity", None])
ROWS = st.lists(
    st.tuples(
        TEXTS, st.sampled_from([1, 2, None]), DAYS, INTS, st.sampled_from(["1.10", "-7.05", None]),
        st.sampled_from([0.5, -0.25, None]), TEXTS, INTS, st.sampled_from([1, 2]), TEXTS, TEXTS,
    ),
    max_size=12,
)  # fmt: skip
KEYS = (
    "region", "t.region", "month", "lower(region)", '"select"', '"we""ird"', "count_0", "d0",
    "date_trunc('month', day)", "year(day)", "s.region", "month % 2", "day > current_date",
    "coalesce(region, 'x')", "region COLLATE NOCASE", "tz::DATE", "random() > 0.5", "'const'", "5",
)  # fmt: skip
NAMES = (
    "", "k", "region", "month", "n", "total", "count_0", '"select"', "d0", '"We""ird"', "lower",
)  # fmt: skip
FIGURES = (
    "count(*)", "count(amount)", "count(1)", "sum(amount)", "sum(price)", "avg(amount)",
    "avg(price)", "min(region)", "max(day)", "min(f)", "sum(f)", "product(amount)",
    "count(DISTINCT amount)", "count(*) FILTER (WHERE month = 1)", "min(amount, 2)",
    "sum(amount) FILTER (WHERE region = 'a' OR month IS NULL)", "round(avg(price), 1)",
    "sum(amount) / count(*)", "count(*) + month", "upper(region)", "max(s.region)", "sum(month)",
    "any_value(month)", "sum(amount ORDER BY month)", "count(*) OVER ()", "product(month)",
    "sum(CAST(month AS BIGINT))",
    "CASE WHEN count(*) > 1 THEN 'many' ELSE 'one' END", "avg(month) FILTER (WHERE month > 1)",
    "count(amount) FILTER (WHERE amount > 0)", "max(f) FILTER (WHERE price IS NULL)",
    "min(region) FILTER (WHERE TRY_CAST(d0 AS INTEGER) IS NULL)",
    "sum(CASE WHEN amount > 0 THEN amount ELSE 0 END)", "count(*) FILTER (WHERE random() > 2)",
    "avg(price) FILTER (WHERE amount BETWEEN -3 AND 1)", "count(*) FILTER (WHERE k = 'a')",
    "sum(CASE region WHEN 'a' THEN 1 END)", "sum(f) FILTER (WHERE amount > 0)",
)  # fmt: skip
WHERES = (
    "", "region = 'a'", "month IS NULL OR month = 1", "lower(region) = 'a'", "amount > 0",
    "region IN (SELECT d0 FROM t)", "k = 'a'", "random() >= 0", "day <= current_date",
    "NOT (region <> 'a')", "region LIKE '%a%' AND year(day) = 2023", "s.region = 'a'",
    "EXISTS (SELECT 1 FROM t AS u WHERE u.month = region)",
)  # fmt: skip
HAVINGS = ("", "count(*) > 1", "n > 1", "sum(amount) IS NOT NULL", "region = 'a'", "min(month) = 1")
ORDERS = ("", "1", "n DESC", "total", "region", "ALL", "count(*), 1", "lower(region)", "month DESC")


@st.composite
def queries(draw: Any) -> str:
    """Return a query of groups or of one total, often an odd one."""
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=3))
    figures = draw(st.lists(st.sampled_from(FIGURES), min_size=not keys, max_size=3))
    names = [draw(st.sampled_from(NAMES)) for _ in (*keys, *figures)]
    shown = [f"{e} AS {n}" if n else e for e, n in zip((*keys, *figures), names, strict=True)]
    by_name = [n or str(i + 1) for i, n in enumerate(names[: len(keys)])]
    groups = draw(st.sampled_from(["ALL", ", ".join(keys), ", ".join(by_name), "1, 2", "CUBE (1)"]))
    group_by = f"GROUP BY {groups}" if keys and groups else ""
    text = f"SELECT {draw(st.sampled_from(['', '', '', 'DISTINCT ']))}{', '.join(shown)} FROM t"
    text += draw(
        st.sampled_from(["", "", "", " AS t", " AS t(month2, region)", " USING SAMPLE 50%"])
    )
    for word, choices in (("WHERE", WHERES), ("", [group_by]), ("HAVING", HAVINGS),
                          ("ORDER BY", ORDERS)):  # fmt: skip
        part = draw(st.sampled_from(choices))
        text += f" {word} {part}" if part else ""
    return text


def fill(rows: list[tuple[Any, ...]]) -> tuple[duckdb.DuckDBPyConnection, Catalog]:
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t ({COLUMNS})")
    marks = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {'region': ?}, NULL"
    for row in rows:
        con.execute(f"INSERT INTO t VALUES ({marks})", row)
    catalog = read_catalog(con)
    # As if it were large enough for a summary.
    large = [t.model_copy(update={"rows": 10**6}) for t in catalog.tables]
    return con, catalog.model_copy(update={"tables": tuple(large)})


def pattern_of(sql: str, catalog: Catalog) -> QueryPattern:
    facts = analyse(sql, catalog)
    return QueryPattern(
        fingerprint=facts.fingerprint, sql=sql, normalized=facts.normalized, runs=1, total_ms=1,
        tables=facts.tables, columns=facts.columns, star=facts.star, source="sql_file",
    )  # fmt: skip


def proposed(
    con: duckdb.DuckDBPyConnection, catalog: Catalog, texts: list[str], most: int | None = None
) -> list[CreateSummary]:
    """Return what the finder makes of a workload of these queries, created for real."""
    workload = Workload(patterns=tuple(pattern_of(q, catalog) for q in texts))

    def probe(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return con.execute(sql, list(parameters)).fetchall()

    context = CandidateContext(product="p", catalog=catalog, workload=workload, probe=probe)
    made = [c.change for c in find_summaries(context).candidates]
    found = [c for c in made if isinstance(c, CreateSummary)][:most]
    for change in found:
        for statement in summaries.create(change, catalog.tables[0]):
            con.execute(statement)
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(ROWS, st.lists(queries(), min_size=2, max_size=6))
def test_an_answer_from_a_summary_is_the_querys_own(
    rows: list[tuple[Any, ...]], texts: list[str]
) -> None:
    con, catalog = fill(rows)
    with con:
        texts = [q for q in texts if works(con, q)]
        for change in proposed(con, catalog, texts):
            check_answers(con, change, texts)


def check_answers(con: duckdb.DuckDBPyConnection, change: CreateSummary, texts: list[str]) -> None:
    for query in texts:
        answer = answer_from_summary(query, change)
        if answer is not None:
            assert difference(capture(con, query), capture(con, answer)) is None
            assert alike(con, query, answer)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(ROWS, st.lists(queries(), min_size=2, max_size=6), st.integers(1, 3))
def test_an_answer_from_a_summary_leaves_out_groups_that_are_gone(
    rows: list[tuple[Any, ...]], texts: list[str], kept: int
) -> None:
    con, catalog = fill(rows)
    with con:
        texts = [q for q in texts if works(con, q)]
        for change in proposed(con, catalog, texts, 1):
            con.execute(f"DELETE FROM t WHERE rowid % {kept} = 0")
            check_answers(con, change, [q for q in texts if works(con, q)])


def test_only_counts_of_no_group_are_kept_from_being_null() -> None:
    change = CreateSummary(
        table=TableName(name="t"), summary=TableName(name="s"), rewrites=(),
        dimensions=(Dimension(expression='"a"', column="a"),),
        aggregates=(
            Aggregate(function="count", argument="", column="c"),
            Aggregate(function="sum", argument='"b"', column="s"),
        ),
    )  # fmt: skip
    for query, guards in (
        ("SELECT count(*) AS n FROM t", 1),
        ("SELECT a, count(*) AS n FROM t GROUP BY a HAVING count(*) > 1", 0),
        ("SELECT a, count(*) FILTER (a > 1) AS n FROM t GROUP BY a", 1),
        ("SELECT a, greatest(sum(b), 0) AS n FROM t GROUP BY a", 1),
    ):
        answer = answer_from_summary(query, change)
        assert answer is not None and answer.upper().count("GREATEST") == guards


@pytest.mark.parametrize(
    "query",
    [
        "SELECT SHOP, SUM(PRICE), count(*) FROM SALES GROUP BY shop",
        'SELECT s.shop, "WE IRD", min(SHOP) FROM Sales AS s GROUP BY ALL',
        'SELECT "we ird" AS "We Ird", shop FROM sales GROUP BY 1, shop HAVING sum(Price) > 3',
        'SELECT shop + 1, MIN("we ird"), sum(price) + 1 FROM sales GROUP BY 1 ORDER BY shop + 1',
        "SELECT substr(shop::VARCHAR, 1, 2), count(*) FILTER (shop = 1) FROM sales GROUP BY ALL",
    ],
)
def test_columns_of_an_answer_are_named_as_the_engine_names_the_querys(
    con: duckdb.DuckDBPyConnection, query: str
) -> None:
    con.execute('CREATE TABLE Sales ("Shop" INTEGER, Price DECIMAL(9,2), "We Ird" INTEGER)')
    con.execute("INSERT INTO sales VALUES (1, 2.5, 3), (1, 3.5, 3), (2, 1.5, NULL)")
    catalog = read_catalog(con)
    large = catalog.tables[0].model_copy(update={"rows": 10**6})
    (change,) = proposed(con, catalog.model_copy(update={"tables": (large,)}), [query])
    answer = answer_from_summary(query, change)
    assert answer is not None
    assert alike(con, query, answer)
    before, after = capture(con, query), capture(con, answer)
    assert before.columns == after.columns
    assert difference(before, after) is None


def answered_as_asked(con: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether a summary of the one table, had it many rows, answers a query; then rightly."""
    catalog = read_catalog(con)
    large = catalog.tables[0].model_copy(update={"rows": 10**6})
    found = proposed(con, catalog.model_copy(update={"tables": (large,)}), [query])
    answers = [answer_from_summary(query, change) for change in found]
    for answer in answers:
        assert answer is not None
        assert difference(capture(con, query), capture(con, answer)) is None
    return bool(answers)


@pytest.mark.parametrize(
    ("having", "answered"),
    [("-a > 0", False), ("-t.a > 0", True), ("sum(a) > 0", True), ("a > 0", True)],
)
def test_a_name_in_having_is_that_of_an_output_before_it_is_a_columns(
    con: duckdb.DuckDBPyConnection, having: str, answered: bool
) -> None:
    con.execute("CREATE TABLE t AS SELECT i - 2 AS a FROM range(5) r(i)")
    query = f"SELECT -a AS a, count(*) AS n FROM t GROUP BY -a HAVING {having}"
    assert answered_as_asked(con, query) == answered


@pytest.mark.parametrize(
    ("having", "answered"),
    [
        ("a % 2 >= 0", False), ("k IS NOT NULL", False), ("T.A > 0", False), ("b = 1", True),
        ("n > 1 AND max(a) > 0", True), ("count(*) FILTER (a > 1) > 0", True), ("c = 1", True),
    ],
)  # fmt: skip
def test_group_by_all_groups_by_columns_that_having_names_too(
    con: duckdb.DuckDBPyConnection, having: str, answered: bool
) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS a, i % 3 AS b FROM range(9) r(i)")
    query = f"SELECT a % 2 AS k, b, b AS c, count(*) AS n FROM t GROUP BY ALL HAVING {having}"
    assert answered_as_asked(con, query) == answered


def test_filtered_totals_without_groups_are_answered_from_stored_conditions() -> None:
    rows = [("a", 1, "2023-01-31", n, "1.10", 0.5, "a", 1, 1, "x", "a") for n in (5, -5, None)]
    total = (
        "SELECT count(*) FILTER (amount > 0) AS late, avg(amount) FILTER (WHERE amount < 0) AS low"
        " FROM t WHERE day >= DATE '2020-01-01'"
    )
    by_region = (
        "SELECT region, sum(CASE WHEN amount > 3 THEN 1 ELSE 0 END) AS high FROM t"
        " WHERE day >= DATE '2020-01-01' GROUP BY region"
    )
    con, catalog = fill(rows)
    with con:
        (summary,) = proposed(con, catalog, [total, by_region], most=1)
        con.execute("INSERT INTO t (day, amount) VALUES ('2024-01-01', 7), ('2019-01-01', 8)")
        con.execute("DELETE FROM t WHERE amount = -5")
        for query in (total, by_region):
            answer = answer_from_summary(query, summary)
            assert answer is not None
            assert difference(capture(con, query), capture(con, answer)) is None
    assert {d.column for d in summary.dimensions} == {"day", "region"}


@pytest.mark.parametrize("part", ["WHERE #2 = 1 GROUP BY a", "GROUP BY a, #2"])
def test_a_column_that_is_told_by_its_place_is_another_one_in_a_summary(
    con: duckdb.DuckDBPyConnection, part: str
) -> None:
    con.execute("CREATE TABLE t AS SELECT i % 3 AS a, i AS b FROM range(9) r(i)")
    answered_as_asked(con, "SELECT a, count(*) AS n FROM t GROUP BY a")
    assert not answered_as_asked(con, f"SELECT a, count(*) AS n FROM t {part}")


def test_a_condition_that_may_fail_on_later_text_is_not_stored() -> None:
    con, catalog = fill([("a", 1, "2023-01-31", 1, "1.10", 0.5, "a", 1, 1, "5", "a")])
    with con:
        summaries_found = proposed(
            con, catalog, ["SELECT month, count(*) FILTER (CAST(d0 AS INT) > 1) FROM t GROUP BY 1"]
        )
    stored = [a.argument for s in summaries_found for a in s.aggregates]
    assert not any("CASE" in text for text in stored)
