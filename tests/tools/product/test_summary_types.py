"""A type is changed only where every summary of the table stays what its query gives."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.finding import look
from tools.messages import Aggregate, ChangeType, CreateSummary, Dimension, TableName
from tools.product import executor
from tools.product.errors import Refused

T = TableName(name="t")
EVENTS = (
    "CREATE TABLE t AS SELECT ts, CAST(ts AS VARCHAR) AS s, i % 5 AS g, i AS n"
    " FROM (SELECT i, TIMESTAMP '2013-01-01' + INTERVAL (i * 617) SECOND AS ts"
    " FROM range(40000) r(i))"
)
LAST = "SELECT g, sum(n) AS total FROM t WHERE {} GROUP BY g"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def made(con: duckdb.DuckDBPyConnection, query: str) -> CreateSummary:
    """Make the summary that a query gets."""
    (candidate, *_) = look(con, [query], {"create_summary"}).candidates
    assert isinstance(candidate.change, CreateSummary)
    executor.apply(con, "p1", candidate.change)
    return candidate.change


def retype(column: str, was: str, kind: str) -> ChangeType:
    return ChangeType(
        table=T, column=column, from_type=was, to_type=kind,
        forward=f'CAST("{column}" AS {kind})', backward=f'CAST("{column}" AS {was})',
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "DATE"])
def test_no_type_changes_under_the_days_of_a_column(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    con.execute(EVENTS)
    made(con, LAST.format("ts >= TIMESTAMP '2013-07-04'"))
    with pytest.raises(Refused, match="keeps what it is computed from") as told:
        executor.apply(con, "p2", retype("ts", "TIMESTAMP", kind))
    assert told.value.hint == "Undo that summary first; it can be made again afterwards."
    executor.undo(con, "p1")
    executor.apply(con, "p2", retype("ts", "TIMESTAMP", kind))


@pytest.mark.parametrize(
    "query",
    [
        LAST.format("TRY_CAST(s AS TIMESTAMP) >= '2013-07-04'"),
        "SELECT date_trunc('month', TRY_CAST(s AS TIMESTAMP)) AS m, sum(n) AS x FROM t GROUP BY 1",
    ],
)
@pytest.mark.parametrize(
    ("kind", "refused"),
    [("TIMESTAMP", False), ("TIMESTAMP WITH TIME ZONE", True), ("TIMESTAMP_NS", True),
     ("DATE", True)],
)  # fmt: skip
def test_text_becomes_a_type_only_where_its_days_stay_what_they_are(
    con: duckdb.DuckDBPyConnection, query: str, kind: str, refused: bool
) -> None:
    con.execute(EVENTS)
    made(con, query)
    if refused:
        with pytest.raises(Refused, match="keeps what it is computed from"):
            executor.apply(con, "p2", retype("s", "VARCHAR", kind))
    else:
        executor.apply(con, "p2", retype("s", "VARCHAR", kind))


MARKED = ChangeType(
    table=T, column="x", from_type="VARCHAR", to_type="INTEGER",
    forward="CAST(nullif(x, 'NA') AS INTEGER)", backward="coalesce(CAST(x AS VARCHAR), 'NA')",
)  # fmt: skip


def counted(column: str, key: str = "g", served: str = "") -> CreateSummary:
    """Return a summary that counts the values of a column; `MARKED` makes NULL of some of x."""
    return CreateSummary(
        table=T, summary=TableName(name="sums"), rewrites=((served, served),) if served else (),
        dimensions=(Dimension(expression=key, column="d"),),
        aggregates=(Aggregate(function="count", argument=column, column="n"),),
    )  # fmt: skip


def test_no_type_changes_under_a_summary_whose_values_become_others(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS FROM (VALUES ('NA', 1), ('7', 1), ('8', 2)) v(x, g)")
    executor.apply(con, "p1", counted("x"))
    with pytest.raises(Refused, match="sums keeps what it is computed from"):
        executor.apply(con, "p2", MARKED)


def test_a_type_is_not_taken_back_under_a_summary_whose_values_become_others(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS FROM (VALUES ('7', 1), ('8', 2)) v(x, g)")
    executor.apply(con, "p1", counted("x"))
    executor.apply(con, "p2", MARKED)
    con.execute("INSERT INTO t VALUES (NULL, 1)")
    with pytest.raises(Refused, match="sums keeps what it is computed from"):
        executor.undo(con, "p2")
    executor.undo(con, "p1")
    executor.undo(con, "p2")


def test_a_summary_that_reads_another_column_stays_under_a_new_type(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS FROM (VALUES ('NA', 1), ('7', 1)) v(x, g)")
    executor.apply(con, "p1", counted("g"))
    executor.apply(con, "p2", MARKED)
    con.execute("INSERT INTO t VALUES (9, 1)")
    assert con.execute("FROM sums").fetchall() == [(1, 3)]


@pytest.mark.parametrize("groupings", [(), (("d", "n"), ("d", "n", "c"))])
def test_a_group_that_is_gone_keeps_no_type_from_changing(
    con: duckdb.DuckDBPyConnection, groupings: tuple[tuple[str, ...], ...]
) -> None:
    con.execute("CREATE TABLE t AS FROM (VALUES ('7', 1), ('8', 2)) v(x, g)")
    change = counted("")
    kept = (*change.aggregates, Aggregate(function="count", argument="x", column="c"))
    executor.apply(
        con, "p1", change.model_copy(update={"aggregates": kept, "groupings": groupings})
    )
    con.execute("DELETE FROM t WHERE g = 2")
    executor.apply(con, "p2", retype("x", "VARCHAR", "INTEGER"))


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP_S"])
def test_a_cast_to_the_new_type_itself_stays_what_it_is(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    con.execute(EVENTS.replace("CAST(ts AS VARCHAR)", f"CAST(CAST(ts AS {kind}) AS VARCHAR)"))
    query = f"SELECT CAST(s AS {kind}) > '2013-07-04' AS late, count(*) AS c FROM t GROUP BY 1"
    executor.apply(con, "p1", counted("n", f"CAST(s AS {kind})", query))
    executor.apply(con, "p2", retype("s", "VARCHAR", kind))


@pytest.mark.parametrize("name", ["t", "T"])
def test_what_a_table_computes_from_a_column_counts_as_reading_it(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    con.execute("CREATE TABLE t (x VARCHAR, g INTEGER, y VARCHAR AS (coalesce(x, 'none')))")
    con.execute("INSERT INTO t VALUES ('NA', 1), ('7', 1)")
    executor.apply(con, "p1", counted("g", "y || ''"))
    with pytest.raises(Refused, match="sums keeps what it is computed from"):
        executor.apply(con, "p2", MARKED.model_copy(update={"table": TableName(name=name)}))
