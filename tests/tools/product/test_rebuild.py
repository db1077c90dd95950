"""Rebuilding tables that carry all a table can carry, under names nobody should choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    CreateIndex,
    DropColumn,
    DropIndex,
    SortTable,
    TableName,
    quoted,
)
from tools.product import executor
from tools.product.catalog import Catalog, read_catalog, schema_hash
from tools.product.errors import Refused, UndoConflict

NAMES = ["rowid", "select", 'a"b', "Ünïcode 😀", "x" * 255, "'; DROP TABLE t; --", "pillion_m", "t"]
SCHEMAS = ["main", 'sch"ema', "select"]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def everything(con: duckdb.DuckDBPyConnection, table: TableName) -> tuple[Any, ...]:
    catalog = read_catalog(con)
    rows = con.execute(f"FROM {table.sql} ORDER BY ALL").fetchall()
    own = catalog.table(table)
    comments = own and (own.comment, [c.comment for c in own.columns])
    return schema_hash(catalog, [t.name for t in catalog.tables]), str(rows), comments


def changes_of(table: TableName, name: str) -> list[Change]:
    column = quoted(name)
    return [
        ChangeType(
            table=table, column=name, from_type="VARCHAR", to_type="INTEGER",
            forward=f"CAST({column} AS INTEGER)", backward=f"CAST({column} AS VARCHAR)",
        ),
        SortTable(table=table, order_by=(name,)),
        CreateIndex(table=table, columns=(name,), name='ix "1"'),
        AddNotNull(table=table, column=name),
        AddCheck(table=table, column=name, expression=f"length({column}) < 9"),
        DropColumn(table=table, column=name, type="VARCHAR"),
    ]  # fmt: skip


def make(con: duckdb.DuckDBPyConnection, table: TableName, name: str, *, burdened: bool) -> None:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema_name)}")
    con.execute("CREATE TYPE mood AS ENUM ('ok', 'it''s')")
    more = ", half INTEGER AS (other / 2), CHECK (other <> 13)" if burdened else ""
    con.execute(
        f"CREATE TABLE {table.sql} ({quoted(name)} VARCHAR, other INTEGER DEFAULT (6 * 7), m mood,"
        f" s STRUCT(a INTEGER, b VARCHAR[]), e ENUM('x', 'y'){more})"
    )
    con.execute(
        f"INSERT INTO {table.sql} ({quoted(name)}, m, s, e) SELECT CAST((i * 7) % 50 AS VARCHAR),"
        " 'it''s', {'a': i, 'b': ['q']}, 'x' FROM range(60) AS r(i)"
    )
    if burdened:
        con.execute(f'CREATE INDEX "i \'x" ON {table.sql} (other)')
        con.execute(f"COMMENT ON TABLE {table.sql} IS 'it''s \"here\"'")
        con.execute(f"CREATE VIEW v AS SELECT other, m FROM {table.sql}")


@pytest.mark.parametrize("at", range(len(NAMES)), ids=lambda i: NAMES[i][:9])
def test_every_change_of_a_hostile_table_is_taken_back_exactly(
    con: duckdb.DuckDBPyConnection, at: int
) -> None:
    name = NAMES[at]
    table = TableName(schema_name=SCHEMAS[at % 3], name=NAMES[-1 - at])
    make(con, table, name, burdened=at % 2 == 0)
    for change in changes_of(table, name):
        before = everything(con, table)
        executor.apply(con, f"p-{change.kind}", change)
        assert everything(con, table) != before or change.kind == "sort_table"
        present = [c.name for t in read_catalog(con).tables for c in t.columns]
        if name in present:
            con.execute(f"INSERT INTO {table.sql} ({quoted(name)}, other) VALUES ('8', 1)")
        con.execute(f"DELETE FROM {table.sql} WHERE other = 1")
        executor.undo(con, f"p-{change.kind}")
        assert everything(con, table) == before


KINDS = ["DECIMAL(18, 2)", "DECIMAL(18,2)", "INTEGER", "VARCHAR[]", "ENUM('1', '2')"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_computed_column_is_declared_the_same_however_often_its_table_is_rebuilt(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    value = "[n]" if kind == "VARCHAR[]" else "n"
    con.execute(f"CREATE TABLE t (n VARCHAR, made {kind} AS ({value}))")
    con.execute("INSERT INTO t VALUES ('2'), ('1')")
    before = everything(con, TableName(name="t"))
    executor.apply(con, "p1", SortTable(table=TableName(name="t"), order_by=("n",)))
    assert everything(con, TableName(name="t")) == before
    executor.undo(con, "p1")
    assert everything(con, TableName(name="t")) == before


@pytest.mark.parametrize("kind", ["sort_table", "change_type", "drop_index"])
def test_what_is_said_of_an_index_stays_said(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    table = TableName(schema_name='sch"ema', name="t")
    con.execute(f"CREATE SCHEMA {quoted(table.schema_name)}")
    con.execute(f"CREATE TABLE {table.sql} AS SELECT '7' AS x, 'a' AS y")
    con.execute(f'CREATE INDEX "i""x" ON {table.sql} (y)')
    con.execute(f"""COMMENT ON INDEX {quoted(table.schema_name)}."i""x" IS 'it''s'""")
    (index,) = read_catalog(con).tables[0].indexes
    drop = DropIndex(table=table, name=index.name, definition=index.definition)
    change = next(c for c in (*changes_of(table, "x"), drop) if c.kind == kind)
    executor.apply(con, "p1", change)
    executor.undo(con, "p1")
    comments = con.execute("SELECT index_name, comment FROM duckdb_indexes()").fetchall()
    assert comments == [('i"x', "it's")]


def test_a_foreign_key_stops_a_rebuild_of_either_table(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE parent (id VARCHAR PRIMARY KEY, x VARCHAR)")
    con.execute("CREATE TABLE child (id VARCHAR REFERENCES parent(id), x VARCHAR)")
    con.execute("INSERT INTO parent VALUES ('1', '2')")
    con.execute("INSERT INTO child VALUES ('1', '2')")
    for name, why in (("parent", "referenced by a foreign key"), ("child", "foreign key of")):
        table = TableName(name=name)
        before = everything(con, table)
        with pytest.raises(Refused, match=why):
            executor.apply(con, "p1", changes_of(table, "id")[0])
        assert everything(con, table) == before
    executor.apply(con, "p2", changes_of(TableName(name="child"), "x")[0])
    executor.undo(con, "p2")


def test_rows_that_a_rebuilt_table_references_are_protected_and_others_deleted(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, x VARCHAR)")
    con.execute("INSERT INTO parent SELECT i, 'x' FROM range(9) AS r(i)")
    con.execute("CREATE TABLE child (id INTEGER REFERENCES parent(id), x VARCHAR, y INTEGER)")
    con.execute("INSERT INTO child SELECT 1, CAST(9 - i AS VARCHAR), i FROM range(9) AS r(i)")
    con.execute("CREATE INDEX on_x ON child (x)")
    table = TableName(name="child")
    rows = con.execute("FROM child").fetchall()
    typed, by_x = changes_of(table, "x")[:2]
    for change, left in ((typed, 3), (by_x, 5)):
        executor.apply(con, f"p-{change.kind}", change)
        con.execute(f"DELETE FROM parent WHERE id = {left}")
        executor.undo(con, f"p-{change.kind}")
        con.execute(f"DELETE FROM parent WHERE id = {left + 1}")
        with pytest.raises(duckdb.ConstraintException, match="still referenced"):
            con.execute("DELETE FROM parent WHERE id = 1")
        assert con.execute("FROM child").fetchall() == rows


@pytest.mark.parametrize(
    "declared", ["x VARCHAR COLLATE NOCASE", "x VARCHAR USING COMPRESSION uncompressed"]
)
def test_what_a_rewrite_would_lose_is_refused(
    con: duckdb.DuckDBPyConnection, declared: str
) -> None:
    con.execute(f"CREATE TABLE t ({declared}, y INTEGER)")
    with pytest.raises(Refused, match="collation or a compression"):
        executor.apply(con, "p1", SortTable(table=TableName(name="t"), order_by=("y",)))


def test_a_view_that_would_break_stops_the_change(con: duckdb.DuckDBPyConnection) -> None:
    table = TableName(name="t")
    con.execute("CREATE TABLE t AS SELECT '7' AS x, 'a' AS y")
    con.execute("CREATE VIEW v AS SELECT x || y AS z, substr(x, 1, 1) AS first FROM t")
    with pytest.raises(Refused, match="The view v would not work"):
        executor.apply(con, "p1", changes_of(table, "x")[0])
    assert con.execute("FROM v").fetchall() == [("7a", "7")]


def test_undo_in_the_wrong_order_says_what_comes_first(con: duckdb.DuckDBPyConnection) -> None:
    table = TableName(name="t")
    con.execute("CREATE TABLE t AS SELECT '7' AS x, 'a' AS y")
    executor.apply(con, "p1", changes_of(table, "x")[0])
    executor.apply(con, "p2", DropColumn(table=table, column="x", type="INTEGER"))
    executor.apply(con, "p3", AddNotNull(table=table, column="y"))
    with pytest.raises(UndoConflict, match="Undo p2 first"):
        executor.undo(con, "p1")
    for proposal in ("p2", "p1", "p3"):
        executor.undo(con, proposal)
    assert con.execute("FROM t").fetchall() == [("7", "a")]


def test_tables_of_attached_databases_are_not_the_products(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("ATTACH ':memory:' AS elsewhere")
    con.execute("CREATE TABLE elsewhere.t (x INTEGER)")
    con.execute("CREATE TEMP TABLE scratch (x INTEGER)")
    con.execute("CREATE SCHEMA pillion")
    con.execute("CREATE TABLE pillion.own (x INTEGER)")
    con.execute("CREATE TABLE mine (x INTEGER)")
    found: Catalog = read_catalog(con)
    assert [str(t.name) for t in found.tables] == ["mine"]
