"""Space on disk: errors that mean there is none, what a change writes, checkpoints that wait."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.disks import fill, small_disk
from tools.messages import ChangeType, CreateIndex, DropIndex, DropTable, SortTable, TableName
from tools.product import executor
from tools.product.catalog import read_table
from tools.product.change_plan import kept_name
from tools.product.disk_space import Need, checkpoint, need, need_to_undo, ran_out
from tools.product.errors import DiskFull, UndoConflict
from tools.product.opening import given_up, open_database

T = TableName(name="t")
INDEX = CreateIndex(table=T, columns=("a",), name="ix")
SORT = SortTable(table=T, order_by=("a",))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EFBIG, "File too large"), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (duckdb.IOException('Could not write file "x": No space left on device'), True),
        (duckdb.IOException('Could not write file "x": Input/output error'), False),
        (sqlite3.OperationalError("database is locked"), False),
        (ValueError("No space left"), False),
    ],
)
def test_only_a_lack_of_space_is_one(error: Exception, full: bool) -> None:
    assert ran_out(error) is full


def test_sqlite_without_room_for_its_log_is_a_lack_of_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk, closing(connected(disk)) as con:
        con.execute("CREATE TABLE t (i)")
        for leaving in (40_960, 0):
            fill(disk, leaving=leaving)
            with pytest.raises(sqlite3.OperationalError) as caught, closing(connected(disk)) as new:
                new.execute("INSERT INTO t VALUES (zeroblob(100000))")
                new.commit()
            assert ran_out(caught.value), leaving
            con.close()


def connected(disk: Path) -> sqlite3.Connection:
    con = sqlite3.connect(disk / "a.db")
    con.execute("PRAGMA journal_mode = wal")
    return con


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "live.duckdb"
    with duckdb.connect(str(path), config={"threads": 1}) as con:
        con.execute(
            "CREATE TABLE t AS SELECT hash(i)::VARCHAR AS a, i AS n, (i % 3)::VARCHAR AS few"
            " FROM range(130000) AS r(i)"
        )
        con.execute("CHECKPOINT")
    return path


def needed(database: Path, change: CreateIndex | SortTable | DropIndex | ChangeType) -> Need:
    with duckdb.connect(str(database)) as con:
        table = read_table(con, T)
        assert table is not None
        return need(con, database, table, change)


@pytest.mark.parametrize("columns", [("a",), ("n",), ("a", "n"), ("few",)])
def test_an_index_never_takes_more_than_was_told(
    database: Path, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    path = tmp_path / "copy.duckdb"
    path.write_bytes(database.read_bytes())
    told = needed(path, INDEX.model_copy(update={"columns": columns}))
    before = path.stat().st_size
    with duckdb.connect(str(path), config={"wal_autocheckpoint": "1GB"}) as con:
        con.execute(f"CREATE INDEX ix ON t({', '.join(columns)})")
        logged = Path(f"{path}.wal").stat().st_size
        con.execute("CHECKPOINT")
    assert logged + path.stat().st_size - before <= told.indexes
    assert (told.rows, told.directory) == (0, tmp_path)


def test_a_rewritten_table_is_written_once_more_with_its_indexes(database: Path) -> None:
    assert (needed(database, SORT).indexes, needed(database, SORT).rows) == (
        0, needed(database, SORT).rows,
    )  # fmt: skip
    size = database.stat().st_size
    assert size / 2 < needed(database, SORT).rows <= size
    dropped = needed(database, DropIndex(table=T, name="ix", definition=""))
    assert (dropped.indexes, dropped.rows) == (0, 0)


def test_a_table_with_a_foreign_key_is_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "pairs.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE p (a BIGINT PRIMARY KEY); INSERT INTO p FROM range(9)")
        for name, reference in (("alone", ""), ("child", "REFERENCES p(a)")):
            con.execute(f"CREATE TABLE {name} (a BIGINT {reference}, h UBIGINT)")
            con.execute(f"INSERT INTO {name} SELECT i % 9, hash(i) FROM range(100000) AS r(i)")
        con.execute("CHECKPOINT")
        tables = [read_table(con, TableName(name=n)) for n in ("alone", "child")]
        found = [need(con, path, t, SortTable(table=t.name, order_by=("h",))) for t in tables if t]
    assert found[0].rows > 0
    assert found[1].rows == pytest.approx(2 * found[0].rows, rel=0.2)


def test_undoing_the_drop_of_a_table_needs_room_for_all_of_it_again(
    database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "copy.duckdb"
    path.write_bytes(database.read_bytes())
    drop = DropTable(table=T)
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE INDEX ix ON t(a)")
        then = read_table(con, T)
        assert then is not None
        again, whole = need(con, path, then, INDEX), need(con, path, then, SORT)
        executor.apply(con, "p1", drop)
        con.execute("CHECKPOINT")
        found = need_to_undo(con, path, None, then, drop, "p1")
    assert (found.indexes, found.doing) == (again.indexes, "undo of")
    assert whole.rows / 2 < found.rows < whole.rows * 2


@pytest.mark.parametrize("lost", ["DROP TABLE {}", "ALTER TABLE {} RENAME a TO z"])
def test_an_undo_whose_kept_rows_are_gone_is_weighed_as_nothing_and_refused(
    tmp_path: Path, lost: str
) -> None:
    path = tmp_path / "lost.duckdb"
    drop = DropTable(table=T)
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t AS SELECT 'x' AS a; CREATE INDEX ix ON t(a)")
        then = read_table(con, T)
        assert then is not None
        executor.apply(con, "p1", drop)
        con.execute(lost.format(kept_name("table", "p1").sql))
        assert need_to_undo(con, path, None, then, drop, "p1")[2:4] == (0, 0)
        with pytest.raises(UndoConflict, match="refused to take back drop_table of t"):
            executor.undo(con, "p1")


def test_what_writes_nothing_back_needs_no_room_to_undo(database: Path) -> None:
    with duckdb.connect(str(database)) as con:
        table = read_table(con, T)
        assert table is not None
        assert need_to_undo(con, database, table, table, INDEX, "p1")[2:4] == (0, 0)


def test_an_index_is_not_begun_without_room_for_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        wanted = Need(INDEX, disk, 5_000_000, 0)
        with pytest.raises(DiskFull) as caught, wanted.room():
            raise AssertionError("it was begun")
        assert f"{disk} has 2.1 MB free; create_index of t(a) writes about 5 MB" in str(
            caught.value
        )
        assert "Nothing was changed" in caught.value.hint


def test_space_that_ran_out_is_told_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"free; sort_table of t\(a\) found that too little"):
        with Need(SORT, tmp_path, 0, 1).room():
            raise DiskFull("The disk is full.")


def test_a_checkpoint_without_room_waits_and_the_database_goes_on(
    database: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 12) as disk:
        path = disk / "live.duckdb"
        path.write_bytes(database.read_bytes())
        with open_database(path, config={"threads": "1"}) as con:
            filler = fill(disk, leaving=300_000)
            con.execute("UPDATE t SET a = a || '1' WHERE n % 50 = 0")
            checkpoint(con)
            assert Path(f"{path}.wal").stat().st_size > 0
            assert con.execute("SELECT count(*) FROM t").fetchall() == [(130_000,)]
            filler.unlink()
            checkpoint(con)
            assert not Path(f"{path}.wal").exists() or not Path(f"{path}.wal").stat().st_size


def test_an_index_the_engine_left_in_the_log_makes_a_full_disk_and_no_corruption(
    database: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 22) as disk:
        path = disk / "live.duckdb"
        path.write_bytes(database.read_bytes())
        con = open_database(path, config={"threads": "1"})
        filler = fill(disk, leaving=8_500_000)
        executor.apply(con, "p1", INDEX)
        with pytest.raises(duckdb.FatalException) as caught:
            con.execute("CHECKPOINT")
        assert given_up(caught.value) is caught.value
        con.close()
        with pytest.raises(DiskFull, match=r"its disk is full.*the database and its log are whole"):
            open_database(path)
        filler.unlink()
        with open_database(path) as con:
            assert [c.status for c in executor.list_changes(con)] == ["applied"]
