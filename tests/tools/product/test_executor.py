"""Applying and undoing: exact, once, and only whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.disks import small_disk
from tools.messages import (
    AddCheck,
    AddNotNull,
    Aggregate,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    Dimension,
    DropColumn,
    DropIndex,
    DropTable,
    RewriteQuery,
    SortTable,
    TableName,
)
from tools.product import executor
from tools.product.candidates.rules import apply_rule
from tools.product.catalog import read_catalog, schema_hash
from tools.product.errors import DiskFull, Refused, SchemaDrift, UndoConflict, UnknownChange

ODD = 'sélect "t" from'
T = TableName(name=ODD)
ASKED = f"SELECT m FROM {T.sql} WHERE substr(m, 1, 1) = 'a'"
TYPED = {"from_type": "VARCHAR", "to_type": "INTEGER"}
PREFIXED = f"SELECT count(*) FROM {T.sql} WHERE substr(g, 1, 1) = 'g'"
CHANGES: dict[str, Change] = {
    "change_type": ChangeType(
        table=T, column="n o", forward='CAST("n o" AS INTEGER)',
        backward='CAST("n o" AS VARCHAR)', **TYPED,
    ),
    "null_marker": ChangeType(
        table=T, column="m", null_marker="NA", **TYPED,
        forward="""CASE WHEN "m" = 'NA' THEN NULL ELSE CAST("m" AS INTEGER) END""",
        backward="""coalesce(CAST("m" AS VARCHAR), 'NA')""",
    ),
    "create_index": CreateIndex(table=T, columns=("n o",), name='ix"1'),
    "sort_table": SortTable(table=T, order_by=("g", "n o")),
    "drop_column": DropColumn(table=T, column="extra", type="DOUBLE[]"),
    "drop_table": DropTable(table=T),
    "add_not_null": AddNotNull(table=T, column="n o"),
    "add_check": AddCheck(table=T, column="g", expression='"g" IS NULL OR length("g") < 9'),
    "create_summary": CreateSummary(
        table=T, summary=TableName(name="summary of it"), rewrites=(),
        dimensions=(Dimension(expression='"g"', column="g"),),
        aggregates=(
            Aggregate(function="count", column="n"),
            Aggregate(function="sum", argument='TRY_CAST("n o" AS INTEGER)', column="s"),
            Aggregate(function="min", argument='"n o"', column="lo"),
            Aggregate(function="max", argument='"n o"', column="hi"),
        ),
    ),
    "rewrite_query": RewriteQuery(
        table=T, fingerprint="f", rule="prefix_text", original=ASKED,
        rewritten=str(apply_rule("prefix_text", ASKED)),
    ),
}  # fmt: skip
BURDENS = {
    "plain": (),
    "indexed": (f"CREATE INDEX ig ON {T.sql}(g)",),
    "triggered": (
        "CREATE TABLE copy_of_it(g VARCHAR)",
        f"CREATE TRIGGER tg AFTER INSERT ON {T.sql} REFERENCING NEW TABLE AS x"
        " FOR EACH STATEMENT INSERT INTO copy_of_it SELECT g FROM x",
    ),
    "commented": (
        f"COMMENT ON TABLE {T.sql} IS 'it''s'",
        f"COMMENT ON COLUMN {T.sql}.g IS 'group'",
        f"CREATE INDEX ig ON {T.sql}(g)",
        f"CREATE VIEW v AS SELECT g, count(*) AS n FROM {T.sql} GROUP BY g",
    ),
}

REFUSED = {
    ("drop_table", "commented"): "view v reads",
    ("drop_table", "triggered"): "A trigger or a summary works with",
    ("create_summary", "triggered"): "has a trigger already",
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE {T.sql} (\"n o\" VARCHAR, m VARCHAR, g VARCHAR DEFAULT 'd',"
            " extra DOUBLE[], CHECK (g <> 'x'))"
        )
        connection.execute(
            f"INSERT INTO {T.sql} SELECT CAST((i * 7) % 50 AS VARCHAR),"
            " CASE WHEN i % 3 = 0 THEN 'NA' ELSE CAST(i AS VARCHAR) END,"
            " CASE WHEN i % 5 > 0 THEN 'g' || (i % 5) END, [i, NULL, 'nan'::DOUBLE]"
            " FROM range(100) AS r(i)"
        )
        yield connection


def contents(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return sorted(map(str, con.execute(f"FROM {T.sql}").fetchall()))


def structure(con: duckdb.DuckDBPyConnection) -> str:
    return schema_hash(read_catalog(con), [T])


@pytest.mark.parametrize("burden", BURDENS)
@pytest.mark.parametrize("name", CHANGES)
def test_undo_gives_back_structure_and_rows(
    con: duckdb.DuckDBPyConnection, name: str, burden: str
) -> None:
    for statement in BURDENS[burden]:
        con.execute(statement)
    before, shape = contents(con), structure(con)
    if (name, burden) in REFUSED:
        with pytest.raises(Refused, match=REFUSED[name, burden]):
            executor.apply(con, "p1", CHANGES[name])
        assert (contents(con), structure(con)) == (before, shape)
        return
    executor.apply(con, "p1", CHANGES[name])
    if burden == "commented":
        con.execute("FROM v").fetchall()
    executor.undo(con, "p1")
    assert (contents(con), structure(con)) == (before, shape)
    assert [c.status for c in executor.list_changes(con)] == ["undone"]


@pytest.mark.parametrize("name", [n for n in CHANGES if n != "drop_table"])
def test_undo_keeps_rows_that_arrived_after_the_change(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    executor.apply(con, "p1", CHANGES[name])
    con.execute(f"INSERT INTO {T.sql} (\"n o\", m, g) VALUES ('49', '7', 'g1'), ('3', NULL, NULL)")
    executor.undo(con, "p1")
    rows = con.execute(f'SELECT "n o", g FROM {T.sql} WHERE extra IS NULL ORDER BY 1').fetchall()
    assert rows == [("3", None), ("49", "g1")]
    assert con.execute(f"SELECT count(*) FROM {T.sql}").fetchall() == [(102,)]


def test_a_change_applied_twice_is_applied_once(con: duckdb.DuckDBPyConnection) -> None:
    first = executor.apply(con, "p1", CHANGES["sort_table"])
    assert executor.apply(con, "p1", CHANGES["sort_table"]) == first
    assert executor.undo(con, "p1") == executor.undo(con, "p1")


def test_the_old_row_order_comes_back(con: duckdb.DuckDBPyConnection) -> None:
    order = f'SELECT "n o", m FROM {T.sql}'
    before = con.execute(order).fetchall()
    executor.apply(con, "p1", CHANGES["sort_table"])
    assert con.execute(order).fetchall() != before
    executor.undo(con, "p1")
    assert con.execute(order).fetchall() == before


@pytest.mark.parametrize("earlier", ["sort_table", "change_type"])
@pytest.mark.parametrize("later", [
    SortTable(table=T, order_by=("m",)), DropColumn(table=T, column="extra", type="DOUBLE[]"),
])  # fmt: skip
def test_what_is_kept_by_place_or_value_is_taken_back_last_first(
    con: duckdb.DuckDBPyConnection, earlier: str, later: Change
) -> None:
    before, shape = con.execute(f"FROM {T.sql}").fetchall(), structure(con)
    executor.apply(con, "p1", CHANGES[earlier])
    executor.apply(con, "p2", later)
    if not (earlier == "change_type" and isinstance(later, SortTable)):
        with pytest.raises(UndoConflict, match="Undo p2 first"):
            executor.undo(con, "p1")
        executor.undo(con, "p2")
    executor.undo(con, "p1")
    executor.undo(con, "p2")
    assert str(con.execute(f"FROM {T.sql}").fetchall()) == str(before)
    assert structure(con) == shape


def test_a_summary_follows_inserts_updates_and_deletes(con: duckdb.DuckDBPyConnection) -> None:
    executor.apply(con, "p1", CHANGES["create_summary"])
    recomputed = (
        f'SELECT g, count(*), sum(CAST("n o" AS INTEGER)), min("n o"), max("n o")'
        f" FROM {T.sql} GROUP BY g ORDER BY 1"
    )
    for statement in (
        f"INSERT INTO {T.sql} (\"n o\", g) VALUES ('-5', NULL), ('900', 'new'), (NULL, 'g1')",
        f"UPDATE {T.sql} SET g = 'g1' WHERE g = 'g2'",
        f"DELETE FROM {T.sql} WHERE g IS NULL OR \"n o\" = '0'",
        f"DELETE FROM {T.sql} WHERE g = 'g3'",
    ):
        con.execute(statement)
        exact = con.execute(recomputed).fetchall()
        kept = con.execute('FROM "summary of it" ORDER BY 1').fetchall()
        assert [row for row in kept if row[1] != 0] == exact


def test_a_failing_change_leaves_nothing(con: duckdb.DuckDBPyConnection) -> None:
    before, shape = contents(con), structure(con)
    fields = {"column": "m", "forward": "CAST(m AS INTEGER)", "backward": "CAST(m AS VARCHAR)"}
    with pytest.raises(Refused, match="engine refused"):
        executor.apply(con, "p1", CHANGES["change_type"].model_copy(update=fields))
    assert (contents(con), structure(con)) == (before, shape)
    assert executor.list_changes(con) == []


def test_a_drifted_schema_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    shape = structure(con)
    con.execute(f"ALTER TABLE {T.sql} ADD COLUMN later INTEGER")
    with pytest.raises(SchemaDrift):
        executor.apply(con, "p1", CHANGES["sort_table"], expected_schema_hash=shape)


def test_a_dropped_column_is_not_restored_onto_other_rows(
    con: duckdb.DuckDBPyConnection,
) -> None:
    executor.apply(con, "p1", CHANGES["drop_column"])
    con.execute(f"UPDATE {T.sql} SET g = 'other' WHERE g = 'g1'")
    with pytest.raises(UndoConflict, match="20 values of the dropped column"):
        executor.undo(con, "p1")
    assert executor.list_changes(con)[0].status == "applied"


def test_a_dropped_column_finds_its_rows_after_others_were_deleted(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rest = f"FROM {T.sql} WHERE g IS DISTINCT FROM 'g1' ORDER BY ALL"
    before = con.execute(rest).fetchall()
    executor.apply(con, "p1", CHANGES["drop_column"])
    con.execute(f"DELETE FROM {T.sql} WHERE g = 'g1'")
    executor.undo(con, "p1")
    assert str(con.execute(rest).fetchall()) == str(before)


def test_a_dropped_index_comes_back(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"CREATE INDEX ig ON {T.sql}(g)")
    shape = structure(con)
    table = read_catalog(con).table(T)
    assert table is not None
    definition = table.indexes[0].definition
    executor.apply(con, "p1", DropIndex(table=T, name="ig", definition=definition))
    assert structure(con) != shape
    executor.undo(con, "p1")
    assert structure(con) == shape


def test_approved_rewrites_are_listed_until_undone(con: duckdb.DuckDBPyConnection) -> None:
    executor.apply(con, "p1", CHANGES["rewrite_query"])
    assert [r.kind for r in executor.dispatch_rewrites(con)] == ["rewrite_query"]
    executor.undo(con, "p1")
    assert executor.dispatch_rewrites(con) == ()


def test_an_unknown_change_cannot_be_undone(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UnknownChange):
        executor.undo(con, "p404")


@pytest.mark.parametrize("name", ["change_type", "sort_table", "drop_table", "create_index"])
def test_a_full_disk_changes_nothing(tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path / "disk", 14) as disk:
        path = disk / "live.duckdb"
        with duckdb.connect(str(path), config={"threads": 1}) as con:
            con.execute(
                f'CREATE TABLE {T.sql} AS SELECT hash(i)::VARCHAR AS "n o", NULL::VARCHAR AS m,'
                " 'g' || i AS g, NULL::DOUBLE[] AS extra FROM range(220000) AS r(i)"
            )
            con.execute("CHECKPOINT")
            wide = TYPED | {"to_type": "UBIGINT", "forward": 'CAST("n o" AS UBIGINT)'}
            change = CHANGES[name]
            if name == "change_type":
                change = change.model_copy(update=wide)
            before, shape = rows_of(con), structure(con)
            with (disk / "filler").open("wb") as filler, suppress(OSError):
                for _ in range(100):
                    filler.write(b"x" * 200_000)
                    filler.flush()
            with pytest.raises(DiskFull):
                executor.apply(con, "p1", change)
            assert (rows_of(con), structure(con), executor.list_changes(con)) == (before, shape, [])
        (disk / "filler").unlink()
        with duckdb.connect(str(path)) as con:
            assert (rows_of(con), structure(con), executor.list_changes(con)) == (before, shape, [])


def rows_of(con: duckdb.DuckDBPyConnection) -> list[Any]:
    sql = f'SELECT count(*), sum(hash("n o", g)) FROM {T.sql}'
    return con.execute(sql).fetchall()


def test_a_second_summary_of_a_table_is_refused_for_the_engine_could_write_no_more(
    con: duckdb.DuckDBPyConnection,
) -> None:
    first = CHANGES["create_summary"]
    assert isinstance(first, CreateSummary)
    executor.apply(con, "p1", first)
    second = first.model_copy(update={"summary": TableName(name="another")})
    with pytest.raises(Refused, match="has a trigger already"):
        executor.apply(con, "p2", second)


@pytest.mark.parametrize("name", ["create_index", "sort_table", "change_type", "drop_column"])
def test_another_approval_makes_a_change_again_after_a_reload(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    con.execute(f"CREATE TABLE loads AS SELECT * FROM {T.sql}")
    first = executor.apply(con, "p1", CHANGES[name], approval="run 1")
    con.execute(f"CREATE OR REPLACE TABLE {T.sql} AS SELECT * FROM loads")
    loaded, before = structure(con), rows_of(con)
    assert executor.apply(con, "p1", CHANGES[name], approval="run 1") == first
    assert structure(con) == loaded

    again = executor.apply(con, "p1", CHANGES[name], approval="run 2")
    assert (again.status, again.approval) == ("applied", "run 2")
    assert executor.apply(con, "p1", CHANGES[name], approval="run 2") == again
    assert executor.list_changes(con) == [again]
    executor.undo(con, "p1")
    assert (structure(con), rows_of(con)) == (loaded, before)


def test_an_approval_that_fails_leaves_the_row_of_the_earlier_one(
    con: duckdb.DuckDBPyConnection,
) -> None:
    first = executor.apply(con, "p1", CHANGES["drop_column"], approval="run 1")
    with pytest.raises(SchemaDrift):
        executor.apply(con, "p1", CHANGES["drop_column"], approval="run 2")
    assert executor.list_changes(con) == [first]
    assert executor.undo(con, "p1").status == "undone"


def test_a_ledger_of_before_is_read_and_goes_on(con: duckdb.DuckDBPyConnection) -> None:
    executor.apply(con, "p1", CHANGES["create_index"], approval="run 1")
    con.execute("ALTER TABLE pillion.changes DROP COLUMN approval")
    (old,) = executor.list_changes(con)
    assert (old.status, old.approval) == ("applied", None)
    executor.apply(con, "p2", CHANGES["add_not_null"], approval="run 2")
    assert [c.approval for c in executor.list_changes(con)] == [None, "run 2"]
    executor.undo(con, "p2")
    assert executor.undo(con, "p1").status == "undone"


@pytest.mark.parametrize("name", ["sort_table", "create_summary", "create_index", "change_type"])
def test_what_an_earlier_version_made_for_an_approval_is_not_made_again(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    approved = datetime.now(UTC)
    executor.apply(con, "p1", CHANGES[name], approval="run 1")
    con.execute("ALTER TABLE pillion.changes DROP COLUMN approval")
    (old,) = executor.list_changes(con)
    # The agent died before it knew, and both are of this version now.
    again = executor.apply(con, "p1", CHANGES[name], approval=executor.Approval("run 1", approved))
    assert again == old == executor.list_changes(con)[0]
    executor.undo(con, "p1")


def test_what_an_earlier_version_made_before_an_approval_is_made_again(
    con: duckdb.DuckDBPyConnection,
) -> None:
    executor.apply(con, "p1", CHANGES["sort_table"])
    later = datetime.now(UTC) + timedelta(seconds=5)
    row = executor.apply(
        con, "p1", CHANGES["sort_table"], approval=executor.Approval("run 2", later)
    )
    assert row.approval == "run 2"
