from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pytest

from tests.commands import (
    UNPRIVILEGED,
    document,
    environment,
    invoke,
    make_home,
    refusal,
    started_by,
)
from tests.disks import fill
from tests.products import make_database

CONTRACT = """apiVersion: v3.0.2
kind: DataContract
id: urn:test:sales
version: 1.0.0
status: active
schema:
  - name: sales
    properties:
      - name: {column}
        logicalType: {type}
"""


def checksum(data: bytes) -> int:
    total = 5381
    for at in range(0, len(data), 8):
        total ^= (struct.unpack_from("<Q", data, at)[0] * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return total


def bad_file(kind: str, path: Path) -> Path:
    """Write the bad file of that kind, starting from a sound database."""
    path.unlink(missing_ok=True)
    data = bytearray(make_database(path, 60_000).read_bytes())
    if kind == "newer":
        struct.pack_into("<Q", data, 12, 5000)
        struct.pack_into("<Q", data, 0, checksum(bytes(data[8:4096])))
    elif kind == "truncated":
        del data[len(data) // 2 :]
    elif kind == "garbage":
        middle = len(data) // 2
        data[middle : middle + 200_000] = os.urandom(200_000)
    elif kind == "csv":
        data = bytearray(b"id,amount\n1,2\n")
    elif kind == "empty":
        data.clear()
    path.write_bytes(data)
    if kind in ("missing", "directory", "sqlite", "parquet"):
        path.unlink()
    if kind == "directory":
        path.mkdir()
    if kind == "sqlite":
        with closing(sqlite3.connect(path)) as con, con:
            con.execute("CREATE TABLE sales (id)")
    if kind == "parquet":
        duckdb.sql("SELECT 1 AS id").write_parquet(str(path))
    return path


def contents(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "There is no file"),
        ("csv", "is not a DuckDB database; it looks like a CSV file"),
        ("sqlite", "it looks like a SQLite database"),
        ("parquet", "it looks like a Parquet file"),
        ("empty", "is an empty file"),
        ("directory", "is a directory, not a DuckDB file"),
        ("truncated", "is corrupt: cut off"),
        ("garbage", "orrupt"),
        ("newer", "newer than DuckDB"),
    ],
)
def test_a_file_that_is_no_sound_database_is_refused_and_nothing_is_registered(
    kind: str, words: str, home: Path, tmp_path: Path
) -> None:
    database = bad_file(kind, tmp_path / "sales.duckdb")
    before = contents(database)
    said = refusal(invoke(home, "init", "--database", database))
    assert words in said
    assert "sales.duckdb" in said
    assert contents(database) == before
    assert not home.exists()


def damage_rows(database: Path) -> None:
    """Flip a byte in a block of rows: the file opens, and its rows cannot be read."""
    sound = database.read_bytes()
    for at in range(3 * 4096 + 100, len(sound), 256 * 1024):
        database.write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        with suppress(duckdb.Error), duckdb.connect(str(database), read_only=True) as con:
            (name,) = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()[0]
            try:
                con.execute(f'SUMMARIZE "{name}"').fetchall()
            except duckdb.Error:
                return
    raise AssertionError("no block holds rows")


def test_rows_that_cannot_be_read_stop_init_and_run_with_what_to_do(
    home: Path, tmp_path: Path
) -> None:
    make_home(home, rows=60_000)
    database = home / "products" / "sales" / "sales.duckdb"
    damage_rows(database)
    said = refusal(invoke(home, "run", "sales", "--budget", "2"))
    assert "sales.duckdb is corrupt" in said
    assert "Restore it from a backup" in said
    other = invoke(tmp_path / "other", "init", "--database", database)
    assert "Restore it from a backup" in refusal(other)


@pytest.mark.parametrize("kind", ["missing", "truncated", "garbage", "newer", "csv"])
def test_a_database_that_went_bad_after_init_stops_the_run_with_words(
    kind: str, home: Path
) -> None:
    make_home(home, rows=1000)
    database = bad_file(kind, home / "products" / "sales" / "sales.duckdb")
    said = refusal(invoke(home, "run", "sales", "--budget", "2"))
    assert "sales.duckdb" in said
    assert "Nothing waits" in invoke(home, "status").output
    checked = invoke(home, "doctor")
    assert checked.exit_code == 1
    assert f"!! product sales: {'There is no file ' if kind == 'missing' else ''}" in checked.stdout
    assert str(database) in checked.stdout


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A database that another process holds."""
    database = make_database(tmp_path / "held.duckdb", 1000)
    code = "import duckdb,sys; c=duckdb.connect(sys.argv[1]); print('held',flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield database, child.pid
        child.kill()


def test_a_locked_database_names_the_process_and_the_ways_in(
    holder: tuple[Path, int], home: Path
) -> None:
    database, pid = holder
    said = refusal(invoke(home, "init", "--database", database))
    assert f"PID {pid}" in said
    for way in ("Stop that program", "product server", "COPY FROM DATABASE", "--queries"):
        assert way in said
    assert not home.exists()


def test_a_database_locked_since_init_stops_the_run_and_the_next_one_runs(home: Path) -> None:
    make_home(home, rows=1000)
    database = home / "products" / "sales" / "sales.duckdb"
    with duckdb.connect(str(database)):
        said = refusal(invoke(home, "run", "sales", "--budget", "2"))
    assert f"PID {os.getpid()}" in said and "Stop that program" in said
    assert document(home, "status")["threads"] == []
    assert document(home, "run", "sales", "--budget", "2")["status"] in ("done", "waiting")


@pytest.mark.parametrize(("path", "mode"), [("sales.duckdb", 0o444), (".", 0o555)])
def test_a_product_that_may_not_be_written_is_refused_with_words(
    path: str, mode: int, home: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    database = make_database(directory / "sales.duckdb", 1000)
    assert invoke(home, "init", "--database", database).exit_code == 0
    (directory / path).chmod(mode)
    with started_by((*UNPRIVILEGED,), home, "run", "sales") as run:
        out, said = run.communicate(timeout=60)
    directory.chmod(0o755)
    assert (run.returncode, out) == (1, "")
    assert "read-only for this user" in said
    assert "Traceback" not in said


def test_a_home_that_may_not_be_written_is_refused_with_words(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o555)
    database = make_database(tmp_path / "sales.duckdb", 1000)
    command = [*UNPRIVILEGED, sys.executable, "-m", "api.cli.main"]
    env = {**os.environ, **environment(parent / "home")}
    for arguments in (["init", "--database", str(database)], ["demo"], ["doctor"]):
        done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True)
        assert done.returncode == 1
        assert "may not be written" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with less space than a snapshot and its margin need."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        if "CI" not in os.environ:
            pytest.skip("mounting is not permitted here")
        raise AssertionError("CI must be able to mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_too_small_for_a_snapshot_stops_the_run_and_leaves_no_snapshot(
    small_disk: Path, tmp_path: Path
) -> None:
    home = small_disk / "home"
    database = make_database(tmp_path / "sales.duckdb", 20_000)
    queries = tmp_path / "q.sql"
    queries.write_text("SELECT max(CAST(amount AS INTEGER)) FROM sales;")
    assert invoke(home, "init", "--database", database, "--queries", queries).exit_code == 0
    before = contents(database)
    result = invoke(home, "run", "sales", "--budget", "2")
    assert result.exit_code == 1
    assert "MB free; a copy of the database needs" in result.stderr
    assert list((home / "products" / "sales" / "shadow").iterdir()) == []
    assert contents(database) == before


def test_a_disk_that_is_full_at_init_is_said_in_words(small_disk: Path, tmp_path: Path) -> None:
    database = make_database(tmp_path / "sales.duckdb", 100)
    fill(small_disk)
    said = refusal(invoke(small_disk / "home", "init", "--database", database))
    assert "There is no space left for" in said and "Free some and run the command again." in said
    assert document(small_disk / "home", "status")["products"] == []


def test_a_full_disk_under_the_home_is_said_in_words(small_disk: Path, tmp_path: Path) -> None:
    home = make_home(small_disk / "home", rows=1000)
    filler = (small_disk / "filler").open("wb", buffering=0)
    with filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(65536))
    said = refusal(invoke(home, "run", "sales", "--budget", "2"))
    assert "space" in said
    assert shutil.disk_usage(small_disk).free < 65536


def test_a_database_without_tables_is_refused(home: Path, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "none.duckdb")).close()
    said = refusal(invoke(home, "init", "--database", tmp_path / "none.duckdb"))
    assert "has no tables. Load data first" in said
    assert not home.exists()


def test_a_database_of_views_alone_is_told_what_to_load(home: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "views.duckdb")) as con:
        con.execute("CREATE VIEW days AS SELECT unnest(range(9)) AS day")
    said = refusal(invoke(home, "init", "--database", tmp_path / "views.duckdb"))
    assert "views and no tables" in said and 'AS FROM "main"."days"' in said and not home.exists()


def test_a_database_whose_tables_went_after_init_is_refused_by_the_run(home: Path) -> None:
    make_home(home, rows=100)
    database = home / "products" / "sales" / "sales.duckdb"
    with duckdb.connect(str(database)) as con:
        con.execute("DROP TABLE sales")
    before = contents(database)
    assert "has no tables. Load data into it" in refusal(invoke(home, "run", "sales"))
    assert contents(database) == before
    assert document(home, "status")["threads"] == []


@pytest.mark.parametrize("how", [(), ("--json",), ("--only", "schema")])
def test_tables_without_a_row_are_refused_by_the_run(how: tuple[str, ...], home: Path) -> None:
    make_home(home, rows=0)
    database = home / "products" / "sales" / "sales.duckdb"
    before = contents(database)
    said = refusal(invoke(home, "run", "sales", *how))
    assert "No table of sales has a row. Load data into it" in said
    assert contents(database) == before
    assert document(home, "status")["threads"] == []


def test_init_says_that_rows_are_missing_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    database = make_database(tmp_path / "sales.duckdb", 0)
    before = contents(database)
    assert "No table has a row yet" in invoke(home, "init", "--database", database).stdout
    assert contents(database) == before


@pytest.mark.parametrize("how", [(), ("--json",), ("--only", "query")])
def test_without_queries_the_run_is_refused_and_says_how_to_get_some(
    how: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    database = make_database(tmp_path / "sales.duckdb", 1000)
    registered = invoke(home, "init", "--database", database)
    assert "There are no queries" in registered.stdout
    before = contents(database)
    said = refusal(invoke(home, "run", "sales", *how))
    assert "There are no queries of sales to measure with" in said
    assert "--queries FILE" in said and "`pillion serve sales`" in said
    assert contents(database) == before
    assert document(home, "status")["threads"] == []


def test_where_no_statement_can_be_measured_the_run_says_so(home: Path) -> None:
    make_home(home, rows=100, queries="SELECT * FROM gone; INSERT INTO sales SELECT * FROM sales;")
    said = refusal(invoke(home, "run", "sales"))
    assert "None of the 2 statements known of sales can be measured: " in said


def test_what_needs_no_queries_is_found_without_them(home: Path) -> None:
    twice = "CREATE INDEX a ON sales (id); CREATE INDEX b ON sales (id)"
    make_home(home, rows=20_000, queries="SELECT * FROM gone;", more=twice)
    assert "no queries of sales" not in refusal(invoke(home, "run", "sales", "--only", "query"))
    found = document(home, "run", "sales", "--only", "schema", "--budget", "3")
    assert (found["status"], len(found["proposals"])) == ("waiting", 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello: [", "contract.yaml:2: not YAML"),
        ("hello: world\n", "contract.yaml"),
        (CONTRACT.format(column="gone", type="integer"), "gone"),
        (CONTRACT.format(column="id", type="date"), "schema.sales.properties.id.logicalType"),
        (CONTRACT.format(column="id", type="nonsense"), "contract.yaml:10"),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_file_line_or_field(
    text: str, words: str, home: Path, tmp_path: Path
) -> None:
    database = make_database(tmp_path / "sales.duckdb", 1000)
    contract = tmp_path / "contract.yaml"
    contract.write_text(text)
    said = refusal(invoke(home, "init", "--database", database, "--contract", contract))
    assert words in said
    assert not home.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "contract.odcs.yaml"),
        ("hello: [", "contract.odcs.yaml:2: not YAML"),
        ("hello: world\n", "contract.odcs.yaml"),
    ],
)
def test_a_contract_that_went_bad_after_init_stops_the_run_with_words(
    text: str | None, words: str, home: Path
) -> None:
    contract = make_home(home, rows=100) / "products" / "sales" / "contract.odcs.yaml"
    database = contents(contract.with_name("sales.duckdb"))
    contract.unlink()
    if text is not None:
        contract.write_text(text)
    assert words in refusal(invoke(home, "run", "sales", "--budget", "2"))
    assert document(home, "status")["waiting"] == []
    assert contents(contract.with_name("sales.duckdb")) == database


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("gone.sql", None, "There is no file"),
        ("empty.sql", b"\n", "is empty"),
        ("binary.sql", b"SELECT \x00 1", "is a binary file"),
        ("latin.sql", b"SELECT '\xff'", "is not UTF-8"),
        ("log.csv", b"a,b\n1,2\n", "has no column with SQL"),
    ],
)
def test_a_query_file_that_cannot_be_read_leaves_nothing_behind(
    name: str, data: bytes | None, words: str, home: Path, tmp_path: Path
) -> None:
    database = make_database(tmp_path / "sales.duckdb", 1000)
    good, bad = tmp_path / "good.sql", tmp_path / name
    good.write_text("SELECT count(*) FROM sales;")
    if data is not None:
        bad.write_bytes(data)
    call = ("init", "--database", database, "--queries", good)
    assert words in refusal(invoke(home, *call, "--queries", bad))
    assert not list(home.glob("products/*"))
    assert document(home, *call)["patterns"] == 1
