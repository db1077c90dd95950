"""What nobody uses: dropped only where that is certain, and never what loads fill."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.finding import look, targets
from tools.messages import DropIndex, TableName
from tools.product import executor
from tools.product.candidates.unused import TOO_SHORT
from tools.product.dispatch import dispatched
from tools.product.workload import TableUse

T = TableName(name="t")


def test_unused_things_are_dropped_only_after_a_long_log(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, unused INTEGER, promised INTEGER)")
    con.execute("CREATE TABLE gone (x INTEGER)")
    con.execute("CREATE INDEX never ON t (promised)")
    kinds, promised = {"drop_column", "drop_table", "drop_index"}, frozenset({(T, "promised")})
    queries = ["SELECT used FROM t"]
    short = look(con, queries, kinds, promised=promised)
    assert (short.candidates, short.notes) == (
        (),
        (TOO_SHORT, "nothing in 1 query of 2 tables calls for: drop index"),
    )
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


@pytest.mark.parametrize(
    ("statement", "dropped"),
    [
        ("PREPARE q AS SELECT a FROM t", ["drop_table"]),
        ("PREPARE q AS SELECT y FROM gone", ["drop_column a"]),
        ("EXPLAIN ANALYZE SELECT y FROM gone", ["drop_column a"]),
        ("EXECUTE gone(1)", ["drop_column a"]),
        ("SELECT * FROM query_table('gone')", ["drop_column a"]),
        ("INSERT INTO o (y) SELECT y FROM query_table('gone')", ["drop_column a"]),
        ("SELECT * FROM query('SELECT y FROM gone')", ["drop_column a"]),
        ("SELECT * FROM query_table('go' || 'ne')", []),
        ("SELECT * FROM query_table(['gone', 'gone'])", []),
        ("SELECT * FROM query_table(?)", []),
        (f"CREATE TABLE o AS SELECT {'1 AS one, ' * 300} y FROM gone", ["drop_column a"]),
        ("INSERT INTO o (y) SELECT #1 FROM t", ["drop_table"]),
        ("INSERT INTO o (y) SELECT r FROM t AS r", ["drop_table"]),
        ("INSERT INTO o (y) SELECT m FROM t AS r(k, m)", ["drop_table"]),
        ("DELETE FROM o USING t NATURAL JOIN o2", ["drop_table"]),
        ("INSERT INTO o (y) VALUES ('gone')", ["drop_column a", "drop_table"]),
        ("INSERT INTO o (y) SELECT used FROM t", ["drop_column a", "drop_table"]),
    ],
)
def test_what_any_statement_of_the_log_names_is_used(
    statement: str, dropped: list[str], con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER); CREATE TABLE gone (y INTEGER)")
    kinds = {"drop_column", "drop_table"}
    found = look(con, ["SELECT used FROM t"], kinds, runs=500, writes=[statement])
    assert targets(found) == dropped


def test_odd_names_are_found_in_texts(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER)")
    con.execute('CREATE TABLE "o""d d" (y INTEGER); CREATE TABLE "Größe" (y INTEGER)')
    asked: dict[str, Any] = {"kinds": {"drop_table"}, "runs": 500}
    texts = ['PREPARE q AS SELECT y FROM "O""D d"', "PREPARE q AS SELECT y FROM größe"]
    assert len(look(con, ["SELECT used FROM t"], **asked, writes=texts[:1]).candidates) == 1
    assert len(look(con, ["SELECT used FROM t"], **asked, writes=texts).candidates) == 0


def test_what_patterns_beyond_the_listed_read_is_used(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER, b INTEGER)")
    con.execute("CREATE TABLE u (x INTEGER); CREATE TABLE v (x INTEGER, y INTEGER)")
    con.execute("CREATE INDEX ia ON t (a); CREATE INDEX ib ON t (b)")
    unlisted = (
        TableUse(table=T, columns=("a",), sought=("a",)),
        TableUse(table=TableName(name="v"), whole=True),
    )
    kinds = {"drop_column", "drop_table", "drop_index"}
    found = look(con, ["SELECT used FROM t"], kinds, runs=500, unlisted=unlisted)
    assert targets(found) == ["drop_column b", "drop_index", "drop_table"]
    dropped = {c.change.kind: c.change for c in found.candidates}
    assert getattr(dropped["drop_index"], "name", "") == "ib"
    assert getattr(dropped["drop_table"], "table", None) == TableName(name="u")


def test_nothing_is_unused_where_texts_were_not_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, a INTEGER); CREATE TABLE gone (y INTEGER)")
    con.execute("CREATE INDEX ia ON t (a); CREATE INDEX again ON t (a)")
    kinds = {"drop_column", "drop_table", "drop_index"}
    found = look(con, ["SELECT used FROM t"], kinds, runs=500, unseen=7)
    assert targets(found) == ["drop_index"]
    assert "another index" in found.candidates[0].reason
    assert [n for n in found.notes if "7 texts of the log were too many" in n] == list(found.notes)
    assert len(found.notes) == 2


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


def test_what_cannot_be_dropped_takes_no_place_of_what_can(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code VARCHAR UNIQUE, n INTEGER CHECK (n > 0),"
        " used INTEGER, a INTEGER, b INTEGER)"
    )
    con.execute("CREATE INDEX ia ON t (a)")
    found = look(con, ["SELECT used FROM t"], {"drop_column"}, runs=500)
    assert "drop_column b" in targets(found)


def test_a_column_that_a_trigger_names_is_used(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (used INTEGER, noted VARCHAR, unused INTEGER)")
    con.execute("CREATE TABLE audit (noted VARCHAR, other INTEGER)")
    con.execute(
        "CREATE TRIGGER tr AFTER INSERT ON t REFERENCING NEW TABLE AS x FOR EACH STATEMENT"
        " INSERT INTO audit (noted) SELECT noted FROM x"
    )
    queries = ["SELECT used FROM t", "SELECT count(*) FROM audit"]
    found = look(con, queries, {"drop_column"}, runs=500)
    assert targets(found) == ["drop_column other", "drop_column unused"]


def test_nothing_of_a_summary_is_dropped(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE sales AS SELECT 'r' || i % 3 AS region, i AS n FROM range(30000) r(i)"
    )
    con.execute("CREATE TABLE trips AS SELECT i, i AS unused FROM range(10) r(i)")
    asked = "SELECT region, max(n) AS n FROM sales GROUP BY region"
    (summary,) = look(con, [asked], {"create_summary"}).candidates
    executor.apply(con, summary.id, summary.change)
    answer = dispatched(con, asked, executor.dispatch_rewrites(con))
    assert answer != asked
    found = look(con, [asked, answer, "SELECT i FROM trips"], {"drop_column"}, runs=500)
    assert targets(found) == ["drop_column unused"]


def test_an_index_of_an_expression_may_serve_what_reads_its_column(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t (name VARCHAR, other VARCHAR)")
    con.execute(
        "CREATE INDEX by_name ON t (lower(name)); CREATE INDEX by_other ON t (lower(other))"
    )
    queries = ["SELECT name FROM t WHERE lower(name) = 'x'"]
    found = look(con, queries, {"drop_index"}, runs=500)
    assert [getattr(c.change, "name", "") for c in found.candidates] == ["by_other"]
