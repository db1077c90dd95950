"""Snapshots: whole under writers, swept when orphaned, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import duckdb
import psutil
import pytest

from tests.disks import small_disk
from tools.product import snapshot as module
from tools.product.errors import DiskFull, MeasureFailed
from tools.product.snapshot import OWNER, Snapshot


def database(path: Path, rows: int = 1000) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(path))
    con.execute(f"CREATE TABLE t AS SELECT i, hash(i)::VARCHAR AS x FROM range({rows}) r(i)")
    return con


def test_a_snapshot_under_a_writer_holds_all_that_was_committed(tmp_path: Path) -> None:
    lock, done = threading.RLock(), threading.Event()
    committed = [1000]
    with database(tmp_path / "live.duckdb") as con:

        def write() -> None:
            with con.cursor() as writer:
                while not done.is_set():
                    with lock:
                        writer.execute("INSERT INTO t SELECT i, i::VARCHAR FROM range(500) r(i)")
                        committed[0] += 500

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(20):
                least = committed[0]
                with con.cursor() as mine:
                    made = Snapshot.take(mine, lock, tmp_path / "live.duckdb", tmp_path / "s")
                most = committed[0] + 500
                with duckdb.connect(str(made.path)) as copy:
                    rows, broken = copy.execute(
                        "SELECT count(*), count(*) % 500 FROM t"
                    ).fetchall()[0]
                assert least <= rows <= most
                assert broken == 0
                made.remove()
        finally:
            done.set()
            thread.join()
    assert list((tmp_path / "s").iterdir()) == []


def test_a_reader_in_the_middle_of_its_query_does_not_spoil_the_copy(tmp_path: Path) -> None:
    with database(tmp_path / "live.duckdb") as con, con.cursor() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchmany(1)
        con.execute("INSERT INTO t VALUES (-1, 'late')")
        made = Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", tmp_path / "s")
        with duckdb.connect(str(made.path)) as copy:
            assert copy.execute("SELECT count(*) FROM t").fetchall() == [(1001,)]


def test_snapshots_differ_in_their_mark_exactly_when_the_contents_do(tmp_path: Path) -> None:
    with database(tmp_path / "live.duckdb") as con:

        def mark() -> str:
            return Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", tmp_path).contents

        first = mark()
        assert mark() == first
        con.execute("UPDATE t SET x = 'changed in place' WHERE i = 7")
        assert mark() != first


def test_sweeping_removes_what_dead_processes_left(tmp_path: Path) -> None:
    with database(tmp_path / "live.duckdb") as con:
        mine = Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", tmp_path / "s")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    started = psutil.Process().create_time()
    for name, owner in (
        ("gone", {"pid": dead.pid, "started": started}),
        ("reused", {"pid": os.getpid(), "started": started - 999}),
        ("garbled", "not an owner"),
    ):
        home = tmp_path / "s" / f"snapshot-{name}"
        home.mkdir()
        (home / OWNER).write_text(json.dumps(owner))
    (tmp_path / "s" / "snapshot-young").mkdir()
    (tmp_path / "s" / "other").mkdir()
    assert Snapshot.sweep(tmp_path / "s") == 3
    left = {p.name for p in (tmp_path / "s").iterdir()}
    assert left == {mine.home.name, "snapshot-young", "other"}
    old = time.time() - 3600
    os.utime(tmp_path / "s" / "snapshot-young", (old, old))
    assert Snapshot.sweep(tmp_path / "s") == 1
    assert Snapshot.sweep(tmp_path / "nowhere") == 0


def test_too_little_space_is_seen_before_copying(tmp_path: Path) -> None:
    with database(tmp_path / "live.duckdb") as con, small_disk(tmp_path / "disk", 8) as disk:
        with pytest.raises(DiskFull, match="MB free"):
            Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", disk / "s")
        assert list((disk / "s").iterdir()) == []


def test_a_disk_that_fills_up_while_copying_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MARGIN_BYTES", -(10**9))
    live = tmp_path / "live.duckdb"
    with database(live, 400_000) as con, small_disk(tmp_path / "disk", 1) as disk:
        with pytest.raises(DiskFull, match="filled up"):
            Snapshot.take(con, nullcontext(), live, disk / "s")
        assert list((disk / "s").iterdir()) == []


def test_a_disk_without_room_for_a_directory_is_full(tmp_path: Path) -> None:
    with database(tmp_path / "live.duckdb") as con, small_disk(tmp_path / "disk", 1) as disk:
        (disk / "s").mkdir()
        with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        with pytest.raises(DiskFull):
            Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", disk / "s")
        assert list((disk / "s").iterdir()) == []


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file")
    with (
        database(tmp_path / "live.duckdb") as con,
        pytest.raises(MeasureFailed, match="PILLION_HOME"),
    ):
        Snapshot.take(con, nullcontext(), tmp_path / "live.duckdb", tmp_path / "s")
