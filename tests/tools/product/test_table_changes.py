"""What stands beside a table decides whether it may be changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tools.messages import (
    Aggregate,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    Dimension,
    DropIndex,
    SortTable,
    TableName,
)
from tools.product import executor
from tools.product.errors import Refused, SchemaDrift

CUSTOMERS, ORDERS = TableName(name="customers"), TableName(name="orders")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def by_column(table: TableName, column: str, kind: str) -> Change:
    if kind == "index":
        return CreateIndex(table=table, columns=(column,), name="ix")
    return CreateSummary(
        table=table, summary=TableName(name="sums"), rewrites=(),
        dimensions=(Dimension(expression=column, column="d"),),
        aggregates=(Aggregate(function="count", column="n"),),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["index", "summary"])
def test_nothing_is_made_that_stops_updates_of_rows_which_foreign_keys_reference(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    con.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR)")
    con.execute("CREATE TABLE orders (customer INTEGER REFERENCES customers(id), no INTEGER)")
    con.execute("INSERT INTO customers VALUES (1, 'a')")
    con.execute("INSERT INTO orders VALUES (1, 1)")
    with pytest.raises(Refused, match="rows that are referenced would be refused"):
        executor.apply(con, "p1", by_column(CUSTOMERS, "email", kind))
    con.execute("UPDATE customers SET email = 'b' WHERE id = 1")
    executor.apply(con, "p2", by_column(ORDERS, "no", kind))
    con.execute("UPDATE orders SET no = 2")


@pytest.mark.parametrize(
    "made",
    [
        "CREATE INDEX ix ON customers (email)",
        "CREATE TRIGGER tr AFTER UPDATE ON customers REFERENCING NEW TABLE AS x FOR EACH STATEMENT"
        " INSERT INTO noted SELECT email FROM x",
    ],
)
def test_the_engine_still_refuses_such_updates(con: duckdb.DuckDBPyConnection, made: str) -> None:
    con.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR)")
    con.execute("CREATE TABLE orders (customer INTEGER REFERENCES customers(id))")
    con.execute("CREATE TABLE noted (email VARCHAR)")
    con.execute("INSERT INTO customers VALUES (1, 'a')")
    con.execute("INSERT INTO orders VALUES (1)")
    con.execute(made)
    with pytest.raises(duckdb.ConstraintException):
        con.execute("UPDATE customers SET email = 'b' WHERE id = 1")


@pytest.mark.parametrize(
    ("dimension", "refused"), [('"x"', True), ('CAST("x" AS INTEGER)', False), ('"g"', False)]
)
def test_no_type_changes_under_a_summary_that_holds_the_old_one(
    con: duckdb.DuckDBPyConnection, dimension: str, refused: bool
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT CAST(i % 9 AS VARCHAR) AS x, i % 2 AS g FROM range(99) r(i)"
    )
    table = TableName(name="t")
    summary = CreateSummary(
        table=table, summary=TableName(name="sums"), rewrites=(),
        dimensions=(Dimension(expression=dimension, column="d"),),
        aggregates=(Aggregate(function="count", column="n"),),
    )  # fmt: skip
    served = (f"SELECT count(*) AS n FROM t WHERE {dimension} > 3", "SELECT sum(n) FROM sums")
    executor.apply(con, "p1", summary.model_copy(update={"rewrites": (served,)}))
    change = ChangeType(
        table=table, column="x", forward='CAST("x" AS INTEGER)', backward='CAST("x" AS VARCHAR)',
        from_type="VARCHAR", to_type="INTEGER",
    )  # fmt: skip
    if refused:
        with pytest.raises(Refused, match="sums keeps what it is computed from"):
            executor.apply(con, "p2", change)
        executor.undo(con, "p1")
    executor.apply(con, "p2", change)
    con.execute("INSERT INTO t VALUES (77, 1)")


def test_no_index_is_dropped_that_is_declared_otherwise_than_was_judged(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE orders AS SELECT 1 AS customer, 2 AS no")
    con.execute("CREATE INDEX plain ON orders(customer)")
    con.execute("CREATE UNIQUE INDEX once ON orders(no)")
    judged = "CREATE INDEX plain ON orders(customer);"
    with pytest.raises(SchemaDrift, match="once is another one: CREATE UNIQUE INDEX"):
        executor.apply(con, "p1", DropIndex(table=ORDERS, name="once", definition=judged))
    executor.apply(con, "p2", DropIndex(table=ORDERS, name="plain", definition=judged))


SHUFFLED = (
    "CREATE TABLE t AS SELECT i AS id, CAST((i * 7919) % 10007 AS VARCHAR) AS k"
    " FROM range(300000) AS r(i)"
)
BY_KEY = SortTable(table=TableName(name="t"), order_by=("k",))


def ids(con: duckdb.DuckDBPyConnection) -> list[int]:
    return [row[0] for row in con.execute("SELECT id FROM t").fetchall()]


def test_rows_that_were_renumbered_after_deletes_stay_in_the_order_they_have(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "t.duckdb")
    with duckdb.connect(path) as con:
        con.execute(SHUFFLED)
        executor.apply(con, "p1", BY_KEY)
        con.execute("DELETE FROM t WHERE k BETWEEN '1' AND '8'")
    with duckdb.connect(path) as con:
        con.execute("INSERT INTO t SELECT 900000 + i, '2' FROM range(1000) AS r(i)")
        con.execute("CHECKPOINT")
        ((most,),) = con.execute("SELECT max(rowid) FROM t").fetchall()
        kept = ids(con)
        assert most + 1 == len(kept), "the engine did not renumber"
        executor.undo(con, "p1")
        assert ids(con) == kept


@pytest.mark.parametrize("setup", [
    "DELETE FROM t WHERE id = 77", "UPDATE t SET k = 'z' WHERE id < 3000", "SELECT 1",
    "ALTER TABLE t ALTER k TYPE INTEGER", "ALTER TABLE t RENAME k TO l",
    "ALTER TABLE pillion.order_p1 DROP mark", "UPDATE t SET id = id",
])  # fmt: skip
def test_the_old_order_comes_back_where_the_rows_kept_their_numbers(setup: str) -> None:
    with duckdb.connect() as con:
        con.execute(SHUFFLED)
        executor.apply(con, "p1", BY_KEY)
        assert ids(con)[:2] != [0, 1]
        con.execute(setup)
        con.execute("INSERT INTO t VALUES (-1, '0')")
        there = sorted(i for i in ids(con) if i >= 0)
        executor.undo(con, "p1")
        assert ids(con) == [*there, -1]
