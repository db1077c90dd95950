"""A dropped column given back: each value to its own row, or to none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tools.messages import DropColumn, TableName
from tools.product import executor
from tools.product.errors import UndoConflict

ROWS = 60
DROP = DropColumn(table=TableName(name="w"), column="v", type="BIGINT")


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tmp_path / 'p.duckdb'}' AS p (ROW_GROUP_SIZE 2048); USE p")
        yield connection


def dropped(con: duckdb.DuckDBPyConnection, *first: str, rows: int = ROWS) -> None:
    con.execute(f"CREATE TABLE w AS SELECT i AS k, i * 10 AS v FROM range({rows}) AS r(i)")
    for statement in first:
        con.execute(statement)
    executor.apply(con, "p1", DROP)


def wrong(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many rows hold another value than theirs of then."""
    return len(con.execute("FROM w WHERE v IS DISTINCT FROM k * 10").fetchall())


GAPS = "DELETE FROM w WHERE k < 3"


@pytest.mark.parametrize("first", [(), (GAPS,), (GAPS, "CREATE INDEX i ON w(k)")])
@pytest.mark.parametrize("since", [
    "UPDATE w SET k = CASE k WHEN 11 THEN 12 WHEN 12 THEN 11 ELSE k END",
    "UPDATE w SET k = CASE WHEN k BETWEEN 10 AND 50 THEN 60 - k ELSE k END",
    "DELETE FROM w WHERE k = 12; INSERT INTO w VALUES (12)",
    "DELETE FROM w WHERE k = 59; INSERT INTO w VALUES (59)",
    "DELETE FROM w WHERE k = 12; UPDATE w SET k = 12 WHERE k = 11",
    "DELETE FROM w WHERE k = 12; UPDATE w SET k = 12 WHERE k = 13",
])  # fmt: skip
def test_a_row_never_gets_what_another_held(
    con: duckdb.DuckDBPyConnection, since: str, first: tuple[str, ...]
) -> None:
    dropped(con, *first)
    con.execute(since)
    before = con.execute("FROM w").fetchall()
    with pytest.raises(UndoConflict, match="values of the dropped column have no certain row"):
        executor.undo(con, "p1")
    assert con.execute("FROM w").fetchall() == before


def test_only_the_uncertain_values_are_counted(con: duckdb.DuckDBPyConnection) -> None:
    dropped(con)
    con.execute("DELETE FROM w WHERE k IN (12, 14); INSERT INTO w VALUES (12), (14)")
    with pytest.raises(UndoConflict, match=r"^2 values of the dropped column .* restore them"):
        executor.undo(con, "p1")


@pytest.mark.parametrize("order", ["k DESC", "hash(k)", "k % 7, k", "(k + 30) % 60"])
def test_values_find_the_rows_of_a_table_that_was_rewritten(
    con: duckdb.DuckDBPyConnection, order: str
) -> None:
    dropped(con, rows=ROWS)
    con.execute(f"CREATE OR REPLACE TABLE w AS FROM w ORDER BY {order}")
    executor.undo(con, "p1")
    assert wrong(con) == 0


def test_values_find_rows_that_were_loaded_again(con: duckdb.DuckDBPyConnection) -> None:
    dropped(con)
    con.execute("CREATE TEMP TABLE x AS FROM w; DELETE FROM w; INSERT INTO w FROM x ORDER BY -k")
    executor.undo(con, "p1")
    assert wrong(con) == 0


@pytest.mark.parametrize("gone", ["k % 10 < 8", "k > 2500 AND k % 10 < 8"])
def test_values_find_rows_whose_numbers_fell_since_others_were_deleted(
    con: duckdb.DuckDBPyConnection, gone: str
) -> None:
    dropped(con, "CHECKPOINT", rows=20_000)
    con.execute(f"DELETE FROM w WHERE {gone}")
    con.execute("CHECKPOINT")
    assert con.execute("SELECT count(*) FROM w WHERE rowid < k").fetchall() != [(0,)]
    executor.undo(con, "p1")
    assert wrong(con) == 0


ZONED = (
    "ALTER TABLE w ADD COLUMN stamp TIMESTAMPTZ",
    "ALTER TABLE w ADD COLUMN deep STRUCT(a TIMESTAMPTZ[])",
    "UPDATE w SET stamp = make_timestamptz(k * 1000000), deep = {'a': [make_timestamptz(k)]}",
    "ALTER TABLE w ADD COLUMN fine TIMESTAMPTZ_NS",
    "UPDATE w SET fine = stamp",
    "UPDATE w SET stamp = 'infinity' WHERE k = 7",
    "UPDATE w SET stamp = '-infinity', deep = NULL WHERE k = 8",
)


def test_a_row_is_known_again_in_another_time_zone(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("SET TimeZone = 'UTC'")
    dropped(con, *ZONED)
    con.execute("SET TimeZone = 'America/New_York'")
    con.execute("INSERT INTO w (k) VALUES (-1)")
    executor.undo(con, "p1")
    assert con.execute("SELECT k, v FROM w WHERE v IS DISTINCT FROM k * 10").fetchall() == [
        (-1, None)
    ]


def test_an_infinite_instant_is_told_from_the_other(con: duckdb.DuckDBPyConnection) -> None:
    dropped(con, *ZONED[:1], "UPDATE w SET stamp = CASE WHEN k % 2 = 0 THEN 'infinity' END")
    con.execute("UPDATE w SET stamp = '-infinity' WHERE k = 4")
    with pytest.raises(UndoConflict, match="1 values of the dropped column"):
        executor.undo(con, "p1")


def test_values_that_an_earlier_version_kept_come_back(con: duckdb.DuckDBPyConnection) -> None:
    dropped(con, *ZONED)
    con.execute(
        "CREATE OR REPLACE TABLE pillion.column_p1 AS SELECT o.rid, md5_number_lower(CAST("
        "ROW(w.k, w.stamp, w.deep, w.fine) AS VARCHAR)) AS digest, o.value"
        " FROM pillion.column_p1 AS o JOIN w ON w.rowid = o.rid ORDER BY 1"
    )
    executor.undo(con, "p1")
    assert wrong(con) == 0
