"""What nobody uses: dropped only where that is certain, and never what loads fill."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.finding import look, targets
from tools.messages import DropIndex, TableName

T = TableName(name="t")


def test_unused_things_are_dropped_only_after_a_long_log(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, unused INTEGER, promised INTEGER)")
    con.execute("CREATE TABLE gone (x INTEGER)")
    con.execute("CREATE INDEX never ON t (promised)")
    kinds, promised = {"drop_column", "drop_table", "drop_index"}, frozenset({(T, "promised")})
    queries = ["SELECT used FROM t"]
    short = look(con, queries, kinds, promised=promised)
    assert (short.candidates, len(short.notes)) == ((), 1)
    assert look(con, [], kinds).candidates == ()
    long = look(con, queries, kinds, promised=promised, runs=500)
    assert targets(long) == ["drop_column unused", "drop_index", "drop_table"]
    starred = look(con, ["FROM t"], kinds, promised=promised, runs=500)
    assert targets(starred) == ["drop_index", "drop_table"]


@pytest.mark.parametrize(
    ("stored", "dropped"),
    [
        ("CREATE VIEW v AS SELECT b FROM t", ["drop_column a", "drop_table"]),
        ("CREATE VIEW v AS FROM t", ["drop_table"]),
        (
            "CREATE MACRO m(x) AS (SELECT y FROM gone WHERE y = x)",
            ["drop_column a", "drop_column b"],
        ),
        ("CREATE MACRO m(x) AS TABLE SELECT A FROM T", ["drop_column b", "drop_table"]),
    ],
)  # fmt: skip
def test_what_a_view_or_a_macro_reads_is_used(
    stored: str, dropped: list[str], con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER, b INTEGER)")
    con.execute("CREATE TABLE gone (y INTEGER)")
    con.execute(stored)
    found = look(con, ["SELECT used FROM t"], {"drop_column", "drop_table"}, runs=500)
    assert targets(found) == dropped


def test_an_index_under_a_view_may_serve_what_is_asked_of_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t (a INTEGER, b INTEGER)")
    con.execute("CREATE INDEX ia ON t (a); CREATE INDEX ib ON t (b)")
    con.execute("CREATE VIEW v AS SELECT a FROM t")
    found = look(con, ["SELECT a FROM v WHERE a = 1"], {"drop_index"}, runs=500)
    assert [getattr(c.change, "name", "") for c in found.candidates] == ["ib"]


@pytest.mark.parametrize(
    ("write", "dropped"),
    [
        ("INSERT INTO t (used, a) VALUES (1, 2)", ["b", "c"]),
        ("INSERT INTO t VALUES (1, 2, 3, 4)", []),
        ("INSERT INTO t SELECT * FROM other", []),
        ("INSERT INTO other SELECT a FROM t", []),
        ("INSERT INTO other (a) SELECT c FROM t", ["b"]),
        ("UPDATE t SET a = 1 WHERE b = 2", ["c"]),
        ("DELETE FROM t WHERE c = 1", ["a", "b"]),
        ("COPY t FROM 'new.csv'", []),
        ("INSERT INTO t (used, a) VALUES (1, 'cut of", []),
        ("INSERT INTO other VALUES (1)", ["a", "b", "c"]),
    ],
)
def test_what_a_write_of_the_log_needs_is_not_dropped(
    write: str, dropped: list[str], con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER, b INTEGER, c INTEGER)")
    found = look(con, ["SELECT used FROM t"], {"drop_column"}, runs=500, writes=[write])
    assert targets(found) == [f"drop_column {column}" for column in dropped]
    assert len(found.notes) == (dropped != ["a", "b", "c"])


def test_a_table_that_is_only_written_is_not_dropped(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (a INTEGER)")
    con.execute("CREATE TABLE kept (a INTEGER)")
    asked: dict[str, Any] = {"kinds": {"drop_table"}, "runs": 500}
    writes = ["INSERT INTO kept VALUES (1)"]
    assert look(con, ["SELECT a FROM t"], **asked, writes=writes).candidates == ()
    assert len(look(con, ["SELECT a FROM t"], **asked).candidates) == 1


def test_nothing_is_dropped_where_not_every_write_is_known(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER)")
    found = look(con, ["SELECT used FROM t"], {"drop_column"}, runs=500, skipped_total=1)
    assert (found.candidates, len(found.notes)) == ((), 1)


def test_an_index_that_repeats_another_is_redundant(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, A INTEGER)")
    for name, column in (("on_key", "id"), ("first", "a"), ("second", "A")):
        con.execute(f"CREATE INDEX {name} ON t ({column})")
    con.execute("CREATE UNIQUE INDEX rule ON t (a)")
    found = look(con, ["SELECT * FROM t WHERE a = 1"], {"drop_index"}, runs=500).candidates
    dropped = {c.change.name for c in found if isinstance(c.change, DropIndex)}
    assert "on_key" in dropped and "rule" not in dropped
    assert len(dropped & {"first", "second"}) == 1


def test_an_index_of_several_columns_needs_no_long_log_to_be_unused(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t (a INTEGER, b INTEGER)")
    con.execute("CREATE INDEX several ON t (a, b)")
    con.execute("CREATE INDEX single ON t (b)")
    con.execute("CREATE UNIQUE INDEX kept ON t (b, a)")
    (found,) = look(con, ["SELECT a FROM t WHERE a = 1 AND b = 2"], {"drop_index"}).candidates
    assert isinstance(found.change, DropIndex) and found.change.name == "several"
    assert "several columns" in found.reason
