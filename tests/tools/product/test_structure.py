"""Structure as values: what stays, what is rewritten, what stops an undo."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tools.messages import TableName
from tools.product.catalog import Catalog, Table, read_catalog
from tools.product.errors import Refused, UndoConflict
from tools.product.structure import collated, mentions, restored, retyped, substituted

T = TableName(name="t")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def table_of(con: duckdb.DuckDBPyConnection, declaration: str) -> Table:
    con.execute(f"CREATE OR REPLACE TABLE t ({declaration})")
    table = read_catalog(con).table(T)
    assert table is not None
    return table


@pytest.mark.parametrize(
    ("expression", "column", "expected"),
    [
        ("x + 1", "X", True),
        ('"a ""b" || y', 'a "b', True),
        ("lower(y)", "x", False),
        ("s.x", "x", True),
        ("'x'", "x", False),
        ("not ( parsable", "x", True),
    ],
)
def test_mentions_of_a_column_are_never_missed(
    expression: str, column: str, expected: bool
) -> None:
    assert mentions(expression, column) is expected


def test_rules_of_a_retyped_column_stay_about_the_old_values(
    con: duckdb.DuckDBPyConnection,
) -> None:
    table = table_of(con, "x VARCHAR DEFAULT '7', y INTEGER AS (length(x)), CHECK (x <> 'x')")
    new = retyped(table, "x", "INTEGER", 'CAST("x" AS INTEGER)', 'CAST("x" AS VARCHAR)')
    assert "CAST" in str(new.columns[0].default)
    assert "CAST" in str(new.columns[1].generated)
    assert new.constraints[0].text.count("CAST") == 1
    assert "'x'" in new.constraints[0].text


def test_an_index_that_computes_with_a_column_stops_its_change(
    con: duckdb.DuckDBPyConnection,
) -> None:
    table_of(con, "x VARCHAR, y VARCHAR")
    con.execute("CREATE INDEX i ON t ((lower(x)))")
    table = read_catalog(con).table(T)
    assert table is not None
    with pytest.raises(Refused, match="computes with"):
        retyped(table, "x", "INTEGER", "x", "x")
    assert retyped(table, "y", "INTEGER", "y", "y").columns[1].type == "INTEGER"


def test_a_qualified_mention_is_not_rewritten_blindly() -> None:
    assert substituted("x + y", "x", "1") == "(1) + y"
    with pytest.raises(Refused, match="cannot be rewritten"):
        substituted("s.x > 1", "x", "1")


def test_what_came_later_stays_when_a_change_is_taken_back(
    con: duckdb.DuckDBPyConnection,
) -> None:
    before = table_of(con, "x VARCHAR, y INTEGER")
    after = table_of(con, "x INTEGER, y INTEGER")
    now = table_of(con, "x INTEGER, y INTEGER NOT NULL DEFAULT 3, z DATE")
    back = restored(now, before, after)
    assert [(c.name, c.type, c.nullable) for c in back.columns] == [
        ("x", "VARCHAR", True), ("y", "INTEGER", False), ("z", "DATE", True),
    ]  # fmt: skip
    with pytest.raises(UndoConflict, match="x was changed since"):
        restored(table_of(con, "x BIGINT, y INTEGER"), before, after)


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("x VARCHAR COLLATE NOCASE", True),
        ('x VARCHAR, "collate" INTEGER', False),
        ("x VARCHAR DEFAULT 'COLLATE'", False),
    ],
)
def test_a_collation_is_told_from_a_name(
    con: duckdb.DuckDBPyConnection, declaration: str, expected: bool
) -> None:
    assert collated(table_of(con, declaration)) is expected


@pytest.mark.parametrize(
    ("view", "column", "expected"),
    [
        ("SELECT x FROM t", "x", True),
        ("SELECT x FROM t", "y", False),
        ("SELECT * FROM t", "y", True),
        ("SELECT 1 AS one FROM u", None, False),
        ("SELECT one FROM (SELECT 1 AS one) WHERE EXISTS (FROM t)", None, True),
        ("WITH c AS (SELECT y FROM main.t) SELECT * FROM c", "y", True),
    ],
)
def test_views_that_read_a_table_or_column_are_found(
    con: duckdb.DuckDBPyConnection, view: str, column: str | None, expected: bool
) -> None:
    con.execute("CREATE TABLE t (x INTEGER, y INTEGER)")
    con.execute("CREATE TABLE u (x INTEGER)")
    con.execute(f"CREATE VIEW v AS {view}")
    catalog: Catalog = read_catalog(con)
    assert bool(catalog.stored.reading(T, column)) is expected
