"""A type change taken back: exact for what was written since, too, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tools.messages import ChangeType, TableName
from tools.product import executor
from tools.product.errors import UndoConflict

T = TableName(name="e")
SECONDS = "%Y-%m-%d %H:%M:%S"
MARKED = "CASE WHEN c = 'NA' THEN NULL ELSE CAST(c AS DOUBLE) END"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def retyped(
    con: duckdb.DuckDBPyConnection, to_type: str, forward: str, backward: str, *first: str
) -> None:
    con.execute("CREATE TABLE e (c VARCHAR)")
    con.executemany("INSERT INTO e VALUES (?)", [[text] for text in first])
    change = ChangeType(
        table=T, column="c", from_type="VARCHAR", to_type=to_type, forward=forward,
        backward=backward,
    )  # fmt: skip
    executor.apply(con, "p1", change)


def dated(con: duckdb.DuckDBPyConnection) -> None:
    way = f"CAST(strptime(c, '{SECONDS}') AS TIMESTAMP)", f"strftime(c, '{SECONDS}')"
    retyped(con, "TIMESTAMP", *way, "2024-01-01 00:00:00")


def values(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [str(c) for (c,) in con.execute("SELECT c FROM e").fetchall()]


@pytest.mark.parametrize("index", ["", "CREATE INDEX ic ON e(c)"])
@pytest.mark.parametrize("later", [
    "2024-05-05 10:00:00.123456", "12024-01-01 00:00:00", "0044-03-01 (BC) 00:00:00",
])  # fmt: skip
def test_a_value_that_the_old_type_cannot_hold_stops_the_undo(
    con: duckdb.DuckDBPyConnection, later: str, index: str
) -> None:
    dated(con)
    con.execute(index)
    con.execute("INSERT INTO e VALUES (?), ('2024-02-02 00:00:00')", [later])
    before = con.execute("SELECT CAST(c AS VARCHAR) FROM e").fetchall()
    with pytest.raises(UndoConflict, match=r"would not be kept exactly: 1\. .* change these"):
        executor.undo(con, "p1")
    assert con.execute("SELECT CAST(c AS VARCHAR) FROM e").fetchall() == before
    assert executor.list_changes(con)[0].status == "applied"
    con.execute("UPDATE e SET c = date_trunc('day', least(c, TIMESTAMP '2024-01-01'))")
    con.execute("DELETE FROM e WHERE year(c) < 1")
    assert executor.undo(con, "p1").status == "undone"


@pytest.mark.parametrize("later", ["infinity", "-infinity", "0001-01-01 00:00:00", None])
def test_what_comes_back_exactly_never_stops_the_undo(
    con: duckdb.DuckDBPyConnection, later: str | None
) -> None:
    dated(con)
    con.execute("INSERT INTO e VALUES (?)", [later])
    executor.undo(con, "p1")
    assert values(con) == ["2024-01-01 00:00:00", str(later)]


def test_numbers_that_equal_nothing_or_another_come_back(con: duckdb.DuckDBPyConnection) -> None:
    retyped(con, "DOUBLE", MARKED, "coalesce(CAST(c AS VARCHAR), 'NA')", "1.5", "NA")
    con.execute("INSERT INTO e VALUES ('nan'), (-('nan'::DOUBLE)), ('-0.0'), ('-inf'), (NULL)")
    con.execute("INSERT INTO e VALUES (0.1::DOUBLE + 0.2::DOUBLE)")
    executor.undo(con, "p1")
    assert values(con) == [
        "1.5", "NA", "nan", "-nan", "-0.0", "-inf", "NA", "0.30000000000000004",
    ]  # fmt: skip


def test_a_zero_that_would_lose_its_sign_stops_the_undo(con: duckdb.DuckDBPyConnection) -> None:
    retyped(con, "DOUBLE", "CAST(c AS DOUBLE)", "CAST(CAST(c AS BIGINT) AS VARCHAR)", "7")
    con.execute("INSERT INTO e VALUES (0)")
    con.execute("INSERT INTO e VALUES ('-0.0'), (1.5), ('nan')")
    with pytest.raises(UndoConflict, match=r"kept exactly: 3\."):
        executor.undo(con, "p1")
    con.execute("UPDATE e SET c = 2 WHERE CAST(c AS VARCHAR) IN ('-0.0', '1.5', 'nan')")
    executor.undo(con, "p1")
    assert values(con) == ["7", "0", "2", "2", "2"]
