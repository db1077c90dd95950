"""Rewrite rules: the same rows, wherever a rule applies."""

from __future__ import annotations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.product.candidates.rules import RULES, apply_rule
from tools.product.dispatch import alike

DATES = st.one_of(
    st.none(),
    st.dates().map(str),
    st.sampled_from([
        "2023-02-28", "2023-03-01", "2023-03-31", "2024-02-29", "2023-12-31", "2024-01-01",
        "0001-01-01", "9998-12-31", "9999-12-31", "12023-03-05", "infinity", "-infinity",
        "2023-03-05 (BC)",
    ]),
)  # fmt: skip
TEXTS = st.one_of(
    st.none(),
    st.text("abAZaz~[\x7fé\u0301'%_", max_size=4),
    st.sampled_from(["NA", "ab", "ab\U0001f600"]),
)  # fmt: skip
ONE, TWO = "'", "''"
MONTHS = ("2023-03", "2023-12", "2024-02", "0001-01", "9999-12", "0000-05", "2023-13", "٢٠٢٣-03")
PREFIXES = ("a", "ab", "", "a~", "\x7f", "é", "z", "Z", "a''", "%")
COMPARISONS = (
    *(f"strftime({c}, '%Y-%m') = '{m}'" for c in ("d", "ts", "CAST(ds AS DATE)") for m in MONTHS),
    *(f"year({c}) = {y}" for c in ("d", "ts") for y in (2023, 1, 9998, 9999, 0, -43, 12023)),
    "2023 = extract(year FROM TRY_CAST(ds AS TIMESTAMP))", "year(d) = month",
    "'2023-03' = strftime(d, '%Y-%m')", "substr(lower(x), 1, 1) = 'a'",
    *(f"substr(x, 1, {len(p.replace(TWO, ONE))}) = '{p}'" for p in PREFIXES),
    *(f"substr(t.x, 1, {len(p)}) = '{p}'" for p in PREFIXES),
    "substr(x, 1, \"2\") = 'ab'", "substr(x, 0, 2) = 'ab'", "substr(x, 1, 3) = 'ab'",
    "substr(x, 1, 1) = 'A' COLLATE NOCASE", "year(d + INTERVAL 1 DAY) = 2023",
)  # fmt: skip
FRAMES = (
    "SELECT * FROM t WHERE {0}",
    "SELECT * FROM t WHERE NOT ({0})",
    "SELECT * FROM t WHERE {0} OR ({1})",
    "SELECT * FROM t WHERE ({0}) AND NOT {1}",
    "SELECT {0} AS same, x FROM t",
    "SELECT * FROM t WHERE ({0}) IS NULL",
    "SELECT x, CASE WHEN {0} THEN 1 ELSE 2 END AS c FROM t",
    "SELECT count(*) FILTER (WHERE {0}) AS n FROM t",
    "SELECT a.x FROM t AS a LEFT JOIN t ON a.x = t.x AND {0}",
    "SELECT upper(x) AS x, DATE '2023-03-01' AS d FROM t WHERE {0}",
    "SELECT x FROM t GROUP BY ALL HAVING count(CASE WHEN {0} THEN 1 END) > 0",
    "FROM (SELECT * FROM t WHERE {0}) AS t WHERE {1}",
)
ROWS = st.lists(st.tuples(DATES, TEXTS, st.integers(1, 3)), max_size=8)


def fill(con: duckdb.DuckDBPyConnection, rows: list[tuple[object, ...]]) -> None:
    con.execute(
        "CREATE OR REPLACE TABLE t"
        ' (d DATE, ts TIMESTAMP, ds VARCHAR, x VARCHAR, month INTEGER, "2" INTEGER)'
    )
    for day, text, number in rows:
        con.execute(
            "INSERT INTO t VALUES (?, TRY_CAST(? AS TIMESTAMP) + INTERVAL 23 HOUR, ?, ?, ?, ?)",
            [day, day, day if day and "BC" not in str(day) else None, text, number, number],
        )


def rows_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[str] | None:
    try:
        return sorted(map(str, con.execute(sql).fetchall()))
    except duckdb.Error:
        return None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    ROWS, st.sampled_from(FRAMES), st.lists(st.sampled_from(COMPARISONS), min_size=2, max_size=2)
)
def test_a_rewritten_query_gives_the_same_rows(
    rows: list[tuple[object, ...]], frame: str, parts: list[str]
) -> None:
    sql = frame.format(*parts)
    with duckdb.connect() as con:
        fill(con, rows)
        expected = rows_of(con, sql)
        for rule in RULES:
            text = apply_rule(rule, sql)
            if text is not None and expected is not None:
                assert rows_of(con, text) == expected


def test_columns_of_a_rewritten_query_keep_their_names() -> None:
    query = (
        "SELECT date_trunc('month', ts), substr(x, 1, 2), count(*), x || '\"', \"2\" FROM t"
        " WHERE year(d) = 2023 GROUP BY ALL"
    )
    with duckdb.connect() as con:
        fill(con, [("2023-05-01", "ab", 1)])
        rewritten = apply_rule("year_number", query)
        assert rewritten is not None
        assert alike(con, query, rewritten)
        assert rows_of(con, query) == rows_of(con, rewritten)


def test_a_prefix_of_text_with_a_collation_is_no_range() -> None:
    plain = "SELECT * FROM (SELECT x FROM t) AS s WHERE substr(s.x, 1, 1) = 'Z'"
    assert apply_rule("prefix_text", plain) is not None
    collated = plain.replace("SELECT x", "SELECT x COLLATE NOCASE AS x")
    assert apply_rule("prefix_text", collated) is None
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT 'zebra' AS x")
        assert con.execute(collated).fetchall() == [("zebra",)]
