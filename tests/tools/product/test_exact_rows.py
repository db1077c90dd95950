"""Rows of answers: every value exact, and no more than there is room for."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pytest

from tools.product.errors import QueryFailed
from tools.product.exact_rows import ask, first

ROOM = 1_000_000


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize(("value", "told"), [
    ("INTERVAL '1 year 2 days'", "1 year 2 days"),
    ("TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", "2024-01-01 00:00:00.123456789"),
    ("TIME_NS '12:00:00.123456789'", "12:00:00.123456789"),
    ("TIMESTAMPTZ_NS '2024-01-01 00:00:00.123456789+00'", "2024-01-01 00:00:00.123456789+00"),
    ("'infinity'::DATE", "infinity"),
    ("'-infinity'::TIMESTAMP", "-infinity"),
    ("'infinity'::TIMESTAMPTZ", "infinity"),
    ("[INTERVAL 1 MONTH, NULL]", ["1 month", None]),
    ("[INTERVAL 1 MONTH, NULL]::INTERVAL[2]", ("1 month", None)),
    ("{'a \"b': [INTERVAL 1 MONTH], 'c': 1.5}", {'a "b': ["1 month"], "c": 1.5}),
    ("MAP {INTERVAL 1 MONTH: 1, INTERVAL 2 DAY: 2}", {"1 month": 1, "2 days": 2}),
    ("['infinity'::DATE, DATE '2024-02-29']", ["infinity", "2024-02-29"]),
    ("union_value(a := INTERVAL 1 MONTH)", "1 month"),
    ("row(1, INTERVAL 1 MONTH)", "(1, 1 month)"),
    ("DATE '2024-02-29'", date(2024, 2, 29)),
    ("TIMESTAMP '2024-02-29 12:00:00'", datetime(2024, 2, 29, 12)),
    ("DATE '9999-12-31'", "9999-12-31"),
])  # fmt: skip
def test_what_python_has_no_value_for_is_told_as_text(
    value: str, told: object, con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("SET TimeZone = 'UTC'")
    found = ask(con, f'SELECT {value} AS v, 1 AS "v" -- a comment', lambda _: 10, ROOM)
    assert (found.rows, found.columns) == ([(told, 1)], ("v", "v"))
    assert found.types[0] == str(con.sql(f"SELECT {value}").types[0])


def test_text_comes_in_the_order_of_the_rows(con: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT to_days(i::INTEGER) AS d FROM range(5000) r(i) ORDER BY i % 7, i DESC"
    texts = [row[0] for row in ask(con, sql, lambda _: 10_000, ROOM).rows]
    assert texts == [str(v) for (v,) in con.execute(f"SELECT d::VARCHAR FROM ({sql})").fetchall()]


@pytest.mark.parametrize("room", [1000, 2399, 2400, 9999, 48_000])
@pytest.mark.parametrize("value", ["i", "DATE '2024-01-01'", "'abcdefgh'", "[]", "NULL::DATE"])
def test_rows_weigh_the_same_by_columns_and_one_by_one(
    room: int, value: str, con: duckdb.DuckDBPyConnection
) -> None:
    each = 8 + 8 + (16 if value.startswith("'") else 8)
    sql = f"SELECT i, {value} AS v FROM range(1500) r(i)"
    asked = ask(con, sql, lambda _: 1500, room)
    assert len(asked.rows) == min(1500, room // each)
    assert asked.truncated == (room // each < 1500)


@pytest.mark.parametrize(("most", "room", "rows", "truncated"), [
    (10, ROOM, 10, True), (50, ROOM, 50, False), (100, ROOM, 50, False), (100, 5000, 4, True),
])  # fmt: skip
def test_no_more_rows_and_bytes_than_allowed_are_kept(
    most: int, room: int, rows: int, truncated: bool, con: duckdb.DuckDBPyConnection
) -> None:
    sql = "SELECT repeat('x', 1000) AS t, [i] AS l, {'a': i} AS s FROM range(50) r(i)"
    asked = ask(con, sql, lambda _: most, room)
    assert (len(asked.rows), asked.truncated) == (rows, truncated)
    with con.cursor().sql(sql).to_arrow_reader(2048) as reader:
        table, cut = first(reader, most, room)
    assert (table.num_rows, cut) == (rows, truncated)


def test_a_row_too_large_for_an_answer_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT repeat('x', 5000) AS t FROM range(3)"
    with pytest.raises(QueryFailed, match=r"larger than 4 kB.*PILLION_PRODUCT_MAX_BYTES"):
        ask(con, sql, lambda _: 10, 4000)
    with (
        con.cursor().sql(sql).to_arrow_reader(2048) as reader,
        pytest.raises(QueryFailed, match="4 kB"),
    ):
        first(reader, 10, 4000)
