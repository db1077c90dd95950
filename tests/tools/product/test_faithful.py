"""Texts that a syntax tree reads in another way than the engine are not answered by others."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.finding import look
from tools.product import executor
from tools.product.candidates.rules import apply_rule
from tools.product.change_ledger import dispatch_rewrites
from tools.product.dispatch import dispatched
from tools.product.engine_sql import aliases
from tools.product.faithful import faithful

LOST = (
    # Within an UNPIVOT, the tree forgets the table before a column.
    "UNPIVOT (SELECT i, a FROM t WHERE {0} AND (SELECT max(c) FROM u WHERE u.a = t.a) > 0)"
    " ON a INTO NAME n VALUE v ORDER BY ALL",
    "SELECT i, regexp_replace(w, 'o', '0', $$g$$) AS x FROM t WHERE {0} ORDER BY i",
    "SELECT i FROM t WHERE NOT 3! IN (SELECT a FROM u) AND {0} ORDER BY i",
    "SELECT i, log2(i) AS x FROM t WHERE {0} ORDER BY i",
    "SELECT typeof(.5) AS x FROM t WHERE {0}",
    "SELECT a, d + INTERVAL '1.5 days' AS x FROM t WHERE {0} ORDER BY i",
    # It becomes CURRENT_DATE, which may be a column.
    "SELECT i FROM t WHERE {0} AND d < today() ORDER BY i",
)
KEPT = (
    "SELECT i, i::INT % 3 AS x, -i ^ 2 AS y FROM t WHERE {0} AND NOT i = 3 ORDER BY i DESC",
    "SELECT count(*) AS n, list(w ORDER BY i) AS w FROM t WHERE {0} GROUP BY ROLLUP (a)",
    "SELECT date_add(d, INTERVAL 3 DAY) AS x, date_trunc('month', d) AS m FROM t WHERE {0}",
    "SELECT d - INTERVAL '3 days' AS x, datediff('day', d, current_date) AS y FROM t WHERE {0}",
    "SELECT if(i > 3, 1, 2) AS x, substr(w, 1, 2) AS y, extract(dow FROM d) AS z FROM t WHERE {0}",
    "SELECT i FROM t, unnest([1, 2]) AS z(e) WHERE {0} AND w NOT LIKE '%x' AND i IS NOT NULL",
    "SELECT i FROM range(3) AS r(a) JOIN t USING (a) WHERE {0} ORDER BY i",
    "SELECT i::DECIMAL AS x, w::VARCHAR(9) AS y, a IS NOT FALSE AS z FROM t WHERE {0}",
    "WITH x AS (SELECT * FROM t WHERE {0}) SELECT a, sum(i) OVER (ORDER BY i) AS s FROM x",
    "UNPIVOT (SELECT i, a FROM t WHERE {0}) ON a INTO NAME n VALUE v ORDER BY ALL",
    "SELECT bool_and(i > 3) AS x, bool_or((a > +2)::BOOL) AS y, string_agg(w) FROM t WHERE {0}",
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(
            "CREATE TABLE t AS SELECT i, i % 5 AS a, 'foo' || i AS w,"
            " DATE '2023-12-20' + i::INT AS d FROM range(40) r(i)"
        )
        yield made


@pytest.mark.parametrize("frame", LOST)
def test_a_text_whose_tree_says_something_else_is_not_rewritten(frame: str) -> None:
    sql = frame.format("year(d) = 2023")
    assert not faithful(sql)
    assert apply_rule("year_number", sql) is None


@pytest.mark.parametrize("frame", KEPT)
def test_what_is_only_spelt_in_another_way_is_rewritten(
    con: duckdb.DuckDBPyConnection, frame: str
) -> None:
    sql = frame.format("year(d) = 2023")
    text = apply_rule("year_number", sql)
    assert text is not None
    assert con.execute(text).fetchall() == con.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("macro", "call"),
    [
        ("substring(a, b, c)", "substr(w, 1, 2)"),
        ("array_agg(a)", "list(w)"),
        ("strpos(a, b)", "instr(w, 'o')"),
    ],
)
def test_no_macro_is_called_that_a_query_does_not_call(
    con: duckdb.DuckDBPyConnection, macro: str, call: str
) -> None:
    sql = f"SELECT {call} AS x FROM t WHERE year(d) = 2023"
    (candidate,) = look(con, [sql], {"rewrite_query"}).candidates
    executor.apply(con, candidate.id, candidate.change)
    assert dispatched(con, sql, dispatch_rewrites(con)) != sql
    con.execute(f"CREATE MACRO {macro} AS 'mine'")
    assert dispatched(con, sql, dispatch_rewrites(con)) == sql
    assert look(con, [sql], {"rewrite_query"}).candidates == ()


def test_names_of_one_function_are_read_from_the_engine() -> None:
    assert aliases()["substr"] == "substring"
    assert "lower" not in aliases()
