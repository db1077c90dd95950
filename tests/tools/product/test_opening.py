from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.product.database_file import check_header
from tools.product.errors import DatabaseLocked, DatabaseUnusable
from tools.product.opening import open_database

HOLD = "import duckdb,sys;c=duckdb.connect(sys.argv[1]);print('held',flush=True);sys.stdin.read()"
TRY = "import duckdb,sys;duckdb.connect(sys.argv[1])"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(
            "CREATE TABLE t AS SELECT range AS i, md5(range::VARCHAR) AS s FROM range(9000)"
        )
    return path


def refused(path: Path | str, **options: object) -> DatabaseUnusable:
    with pytest.raises(DatabaseUnusable) as caught:
        open_database(path, **options)  # type: ignore[arg-type]
    assert str(path) in str(caught.value) or "usable path" in str(caught.value)
    return caught.value


def checksum(data: bytes) -> int:
    total = 5381
    for at in range(0, len(data), 8):
        total ^= (struct.unpack_from("<Q", data, at)[0] * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return total


def test_a_sound_file_opens_locked_down_with_the_limits_given(database: Path) -> None:
    with open_database(database, config={"memory_limit": "100MB", "threads": "1"}) as con:
        assert con.execute("SELECT count(*) FROM t").fetchone() == (9000,)
        assert con.execute("SELECT current_setting('threads')").fetchone() == (1,)
        for attack in (
            "SELECT * FROM read_csv('/etc/passwd')",
            "ATTACH '/tmp/other.db'",
            "SET enable_external_access=true",
            "SET threads=2",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(attack)


def test_the_lock_down_cannot_be_switched_off_by_config(database: Path) -> None:
    config = {"enable_external_access": "true", "lock_configuration": "false"}
    with open_database(database, config=config) as con, pytest.raises(duckdb.Error):
        con.execute("SELECT * FROM read_csv('/etc/passwd')")


def test_read_only_refuses_writes(database: Path) -> None:
    with open_database(database, read_only=True) as con, pytest.raises(duckdb.Error):
        con.execute("DELETE FROM t")


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    assert "no file" in str(refused(tmp_path / "nope.duckdb"))
    assert not (tmp_path / "nope.duckdb").exists()


def test_a_dangling_link_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "no file" in str(refused(tmp_path / "link"))


def test_a_directory_is_named_as_one(tmp_path: Path) -> None:
    assert "is a directory" in str(refused(tmp_path))


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in str(refused(tmp_path / "pipe"))


def test_an_impossible_path_is_refused() -> None:
    assert "usable path" in str(refused("a\0b"))
    assert "usable path" in str(refused("x" * 5000))


def test_an_empty_file_is_refused_and_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    path.touch()
    assert "empty file" in str(refused(path))
    assert path.stat().st_size == 0


def make_sqlite(path: Path) -> None:
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE a(b)")
    con.close()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_sqlite, "SQLite"),
        (lambda p: pq.write_table(pa.table({"a": [1]}), p), "Parquet"),
        (lambda p: p.write_text("a,b\n1,2\n" * 900), "CSV"),
        (lambda p: p.write_text("a;b\n1;2\n"), "CSV"),
        (lambda p: p.write_text("a\tb\n1\t2\n"), "tab-separated"),
        (lambda p: p.write_text('[{"a": 1}]'), "JSON"),
        (lambda p: p.write_text("CREATE TABLE t(i int);"), "SQL"),
        (lambda p: p.write_text("hello"), "a text file"),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(100)), "zip"),
        (lambda p: p.write_bytes(bytes(range(256)) * 20), "binary"),
        (lambda p: p.write_bytes("é".encode() * 5000), "a text file"),
    ],
)
def test_other_files_are_told_apart(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    path = tmp_path / "data.duckdb"
    make(path)
    before = path.read_bytes()
    message = str(refused(path))
    assert "not a DuckDB database" in message
    assert name in message
    assert path.read_bytes() == before


@pytest.mark.parametrize("at", [0, 100, 4096 + 20, 8192 + 20, 12288 + 100])
def test_a_flipped_byte_is_corruption(database: Path, at: int) -> None:
    data = bytearray(database.read_bytes())
    data[at] ^= 0xFF
    database.write_bytes(data)
    assert "corrupt" in str(refused(database))


@pytest.mark.parametrize("keep", [13, 1000, 4096, 8192, 20000, -1, -100_000])
def test_a_truncated_file_is_corruption_even_where_duckdb_opens_it(
    database: Path, keep: int
) -> None:
    database.write_bytes(database.read_bytes()[:keep])
    assert "cut off" in str(refused(database))


def test_a_file_of_headers_alone_is_corruption_in_the_engines_words(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:12288])
    assert "is corrupt: Could not read enough bytes" in str(refused(database))


def test_a_file_cut_off_at_the_edge_of_a_block_is_corruption(database: Path) -> None:
    grow = 'CREATE TABLE "a ""b" AS SELECT hash(i) AS h, uuid() AS u FROM range(200000) AS r(i)'
    with duckdb.connect(str(database)) as con:
        con.execute(grow)
    database.write_bytes(database.read_bytes()[:-262144])
    assert "cut off" in str(refused(database))


def test_a_file_whose_free_end_a_checkpoint_gave_back_is_whole(database: Path) -> None:
    with duckdb.connect(str(database)) as con:
        con.execute("CREATE TABLE kept AS SELECT hash(i) AS h FROM range(200000) AS r(i)")
        con.execute("CHECKPOINT")
        con.execute("CREATE TABLE big AS SELECT hash(i + 1) AS h FROM range(500000) AS r(i)")
        con.execute("CHECKPOINT")
        con.execute("DROP TABLE big")
        con.execute("CHECKPOINT")
    assert check_header(database) is not None
    with open_database(database) as con:
        assert con.execute("SELECT count(*) FROM kept").fetchall() == [(200_000,)]


def test_a_corrupt_log_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "wal.duckdb"
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import duckdb,os,sys;c=duckdb.connect(sys.argv[1]);"
            "c.execute('CREATE TABLE a(i INT)');c.execute('CHECKPOINT');"
            "c.execute('INSERT INTO a SELECT range FROM range(999)');os._exit(9)",
            str(path),
        ],
        check=False,
    )
    log = Path(f"{path}.wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 3] ^= 0xFF
    log.write_bytes(data)
    error = refused(path)
    assert "write-ahead log" in error.message
    assert "last checkpoint" in error.hint


@pytest.mark.parametrize(("version", "words"), [(5000, "newer than"), (60, "cannot read")])
def test_another_storage_format_is_told_by_number(database: Path, version: int, words: str) -> None:
    data = bytearray(database.read_bytes())
    struct.pack_into("<Q", data, 12, version)
    struct.pack_into("<Q", data, 0, checksum(bytes(data[8:4096])))
    database.write_bytes(data)
    error = refused(database)
    assert f"storage format {version}" in error.message
    assert words in error.message
    assert error.hint


def test_an_encrypted_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.duckdb"
    with duckdb.connect() as con:
        con.execute("SET force_mbedtls_unsafe='true'")
        con.execute(f"ATTACH '{path}' AS e (ENCRYPTION_KEY 'abc')")
        con.execute("CREATE TABLE e.t AS SELECT 1 AS i")
    assert "encrypted" in str(refused(path))


@pytest.fixture
def holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_locked_file_names_its_holder_and_the_ways_in(
    database: Path, holder: subprocess.Popen[str], read_only: bool
) -> None:
    with pytest.raises(DatabaseLocked) as caught:
        open_database(database, read_only=read_only)
    assert caught.value.pid == holder.pid
    assert f"PID {holder.pid}" in caught.value.message
    assert "python" in caught.value.message
    for way in ("Stop", "product server", "copy", "log of its queries"):
        assert way in caught.value.hint


def test_opening_again_in_this_process_keeps_the_lock(database: Path) -> None:
    with open_database(database), pytest.raises(DatabaseLocked) as caught:
        open_database(database, config={"threads": "1"})
    assert caught.value.pid == os.getpid()
    with open_database(database), open_database(database) as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (9000,)
        other = subprocess.run(
            [sys.executable, "-c", TRY, str(database)], capture_output=True, check=False
        )
        assert b"lock" in other.stderr


def test_an_unknown_setting_is_told(database: Path) -> None:
    assert "could not be opened" in str(refused(database, config={"nope": "1"}))


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder every user can enter, unlike tmp_path, for tests that drop their rights."""
    folder = Path(tempfile.mkdtemp(prefix="pillion-open-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def message_as_nobody(path: Path, *, read_only: bool = False) -> str:
    """Open the file in a forked child without root's rights; return the error's text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = "opened"
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            open_database(path, read_only=read_only).close()
        except DatabaseUnusable as exc:
            text = str(exc)
        finally:
            os.write(writer, text.encode())
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def test_missing_rights_are_told_apart(public_folder: Path, database: Path) -> None:
    path = public_folder / "shop.duckdb"
    shutil.copyfile(database, path)
    path.chmod(0o444)
    assert "read-only for this user" in message_as_nobody(path)
    assert message_as_nobody(path, read_only=True) == "opened"
    path.chmod(0o000)
    assert "may not be read" in message_as_nobody(path)
    path.chmod(0o666)
    public_folder.chmod(0o555)
    assert "directory of" in message_as_nobody(path)
    assert message_as_nobody(path, read_only=True) == "opened"
    if os.getuid() == 0:
        public_folder.chmod(0o700)
        assert "may not be reached" in message_as_nobody(path)


@pytest.mark.parametrize(("name", "whose"), [("shop", "a schema in it"), ("pillion", "Pillion's")])
def test_a_file_called_like_a_schema_is_refused_before_anything_is_asked_of_it(
    tmp_path: Path, name: str, whose: str
) -> None:
    path = tmp_path / f"{name}.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA Shop")
    assert whose in str(refused(path))
    aside = path.rename(tmp_path / "aside.duckdb")
    open_database(aside).close()


def test_a_file_with_a_macro_called_like_a_function_opens(database: Path) -> None:
    with duckdb.connect(str(database)) as con:
        con.execute("CREATE MACRO lower(x) AS 'm'")
    open_database(database).close()


def test_a_pivot_that_would_be_planned_for_seconds_is_refused(database: Path) -> None:
    wide = "PIVOT (SELECT i, 1 AS n FROM range({}) r(i)) ON i USING sum(n)"
    with open_database(database) as con:
        with pytest.raises(duckdb.BinderException, match="Pivot column limit of 10000"):
            con.execute(wide.format(10_001))
        assert len(con.execute(wide.format(50)).fetchall()[0]) == 50
