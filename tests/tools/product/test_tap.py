"""The tap: it notes everything, drops when full, and never gets in the way."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tools import failpoints
from tools.product.tap import Tap
from tools.product.workload_store import WorkloadStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "w.db")
    yield store
    store.close()


def rows(store: WorkloadStore, columns: str = "sql, runs, timed, errors") -> list[tuple]:
    with store.transaction() as con:
        return con.execute(f"SELECT {columns} FROM texts ORDER BY sql").fetchall()


def test_every_way_to_run_sql_is_noted(store: WorkloadStore) -> None:
    tap = Tap(store)
    with tap.wrap(duckdb.connect(), "app") as con:
        assert con.execute("SELECT ?", [7]).fetchall() == [(7,)]
        con.execute("CREATE TABLE t (i INTEGER)")
        con.executemany("INSERT INTO t VALUES (?)", [[1], [2]])
        assert con.sql("FROM t").fetchall() == [(1,), (2,)]
        assert con.query("SELECT 1").fetchall() == [(1,)]
        assert con.cursor().execute("SELECT 2").fetchone() == (2,)
    tap.close()
    assert rows(store) == [
        ("CREATE TABLE t (i INTEGER)", 1, 1, 0), ("FROM t", 1, 0, 0),
        ("INSERT INTO t VALUES (?)", 1, 1, 0), ("SELECT 1", 1, 0, 0), ("SELECT 2", 1, 1, 0),
        ("SELECT ?", 1, 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["execute", "executemany", "sql", "query"])
def test_an_error_is_noted_and_reaches_the_caller(method: str, store: WorkloadStore) -> None:
    tap = Tap(store)
    with tap.wrap(duckdb.connect(), "app") as con, pytest.raises(duckdb.Error):
        getattr(con, method)("SELECT nothing")
    tap.close()
    assert rows(store, "sql, runs, errors") == [("SELECT nothing", 1, 1)]


@pytest.mark.crash
@pytest.mark.parametrize(("point", "kept"), [
    ("workload.before_commit:2", 1), ("workload.after_commit:2", 2),
])  # fmt: skip
def test_a_kill_while_the_tap_writes_keeps_each_batch_whole_or_leaves_it_out(
    point: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "killed.db"
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", point)
        for batch in (1, 2):
            tap = Tap(WorkloadStore(path))
            for run in range(3):
                tap.note(f"SELECT {run}", 1e9 + batch, 1.0, None, "app")
            tap.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(WorkloadStore(path)) as store, store.transaction() as con:
        assert rows_of(con, "SELECT runs FROM texts") == [(kept,)] * 3
        assert rows_of(con, "SELECT runs FROM callers") == [(kept,)] * 3
        assert rows_of(con, "SELECT runs FROM days") == [(3 * kept,)]


def rows_of(con: sqlite3.Connection, sql: str) -> list[tuple]:
    return con.execute(sql).fetchall()


def test_what_does_not_fit_is_dropped_and_counted(store: WorkloadStore) -> None:
    tap = Tap(store, capacity=0)
    tap.note("SELECT 1", 0.0, 1.0, None, "app")
    tap.close()
    assert (tap.dropped, rows(store)) == (1, [])


def test_closing_writes_what_is_left(store: WorkloadStore) -> None:
    tap = Tap(store)
    for turn in range(500):
        tap.note(f"SELECT {turn % 2}", 0.0, 2.0, None, "app")
    tap.close()
    assert rows(store, "sql, runs, total_ms") == [("SELECT 0", 250, 500), ("SELECT 1", 250, 500)]


def test_a_broken_text_does_not_stop_the_writer(store: WorkloadStore) -> None:
    tap = Tap(store)
    tap.note("SELECT '\ud800'", 0.0, 1.0, "error", "app")
    tap.note("SELECT 1", 0.0, 1.0, None, "app")
    tap.close()
    assert [r[0] for r in rows(store)] == ["SELECT '?'", "SELECT 1"]


def test_a_store_that_cannot_be_written_costs_notes_not_queries(tmp_path: Path) -> None:
    store = WorkloadStore(tmp_path / "w.db")
    with store.transaction() as con:
        con.execute("DROP TABLE texts")
    tap = Tap(store)
    with tap.wrap(duckdb.connect(), "app") as con:
        assert con.execute("SELECT 1").fetchall() == [(1,)]
    tap.close()
    assert tap.dropped == 1
    store.close()
    with pytest.raises(sqlite3.Error):
        rows(store)
