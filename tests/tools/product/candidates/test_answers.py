"""Answers from a summary table: the same rows as the query itself, or none."""

from __future__ import annotations

from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.messages import CreateSummary
from tools.product import summaries
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.summary import find_summaries
from tools.product.catalog import Catalog, read_catalog
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
    """Return a grouped query, often an odd one."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    figures = draw(st.lists(st.sampled_from(FIGURES), min_size=0, max_size=3))
    names = [draw(st.sampled_from(NAMES)) for _ in (*keys, *figures)]
    shown = [f"{e} AS {n}" if n else e for e, n in zip((*keys, *figures), names, strict=True)]
    by_name = [n or str(i + 1) for i, n in enumerate(names[: len(keys)])]
    groups = draw(st.sampled_from(["ALL", ", ".join(keys), ", ".join(by_name), "1, 2", "CUBE (1)"]))
    text = f"SELECT {draw(st.sampled_from(['', '', '', 'DISTINCT ']))}{', '.join(shown)} FROM t"
    text += draw(
        st.sampled_from(["", "", "", " AS t", " AS t(month2, region)", " USING SAMPLE 50%"])
    )
    for word, choices in (("WHERE", WHERES), ("", [f"GROUP BY {groups}"]), ("HAVING", HAVINGS),
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
    con: duckdb.DuckDBPyConnection, catalog: Catalog, texts: list[str]
) -> list[CreateSummary]:
    """Return what the finder makes of a workload of these queries, created for real."""
    workload = Workload(patterns=tuple(pattern_of(q, catalog) for q in texts))

    def probe(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return con.execute(sql, list(parameters)).fetchall()

    context = CandidateContext(product="p", catalog=catalog, workload=workload, probe=probe)
    made = [c.change for c in find_summaries(context).candidates]
    found = [c for c in made if isinstance(c, CreateSummary)]
    for change in found:
        for statement in summaries.create(change, catalog.tables[0], catalog.engine):
            con.execute(statement)
    return found


def works(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        con.execute(sql).fetchall()
    except duckdb.Error:
        return False
    return True


@settings(max_examples=30, deadline=None, derandomize=True)
@given(ROWS, st.lists(queries(), min_size=2, max_size=6))
def test_an_answer_from_a_summary_is_the_querys_own(
    rows: list[tuple[Any, ...]], texts: list[str]
) -> None:
    con, catalog = fill(rows)
    with con:
        texts = [q for q in texts if works(con, q)]
        for change in proposed(con, catalog, texts):
            answers = [(q, answer_from_summary(q, change)) for q in texts]
            for query, answer in answers:
                if answer is not None:
                    assert difference(capture(con, query), capture(con, answer)) is None
