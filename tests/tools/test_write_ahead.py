"""Several openers of a new SQLite file wait for one another."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graph.checkpoints import open_checkpoints
from graph.ledger import Ledger
from tools import write_ahead
from tools.product.workload_store import WorkloadStore
from tools.write_ahead import use_write_ahead_log


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A new file that somebody else is writing to for a fifth of a second more."""
    path = tmp_path / "fresh.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as con:
        con.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, con.execute, ("COMMIT",))
        release.start()
        yield path
        release.join()


def journal_mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as con:
        return str(con.execute("PRAGMA journal_mode").fetchone()[0])


async def _visit_checkpoints(path: Path) -> None:
    async with open_checkpoints(path):
        pass


def test_sqlite_itself_does_not_wait(busy: Path) -> None:
    with (
        closing(sqlite3.connect(busy, timeout=30)) as con,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        con.execute("PRAGMA journal_mode=WAL")


@pytest.mark.parametrize(
    "visit",
    [
        lambda path: Ledger(path).close(),
        lambda path: WorkloadStore(path).close(),
        lambda path: asyncio.run(_visit_checkpoints(path)),
    ],
    ids=["ledger", "workload", "checkpoints"],
)
def test_a_file_that_another_is_making_is_waited_for(
    busy: Path, visit: Callable[[Path], None]
) -> None:
    visit(busy)
    assert journal_mode(busy) == "wal"


def test_a_file_that_stays_locked_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead, "PATIENCE_S", 0.05)
    path = tmp_path / "held.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
        closing(sqlite3.connect(path)) as con,
    ):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            use_write_ahead_log(con)


async def test_a_store_of_checkpoints_can_give_space_back(tmp_path: Path) -> None:
    async with open_checkpoints(tmp_path / "fresh.db") as saver:
        rows = await saver.conn.execute_fetchall("PRAGMA auto_vacuum")
    assert list(rows) == [(2,)]
