"""A full disk is told as one: SQLite has taken its transaction back by then."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from graph.ledger import Ledger
from tests.disks import small_disk
from tools.product.workload_store import WorkloadStore

Begin = Callable[[Path], AbstractContextManager[sqlite3.Connection]]


@contextmanager
def _of_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(Ledger(path)) as ledger, ledger._transaction() as con:
        yield con


@contextmanager
def _of_workload(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(WorkloadStore(path)) as store, store.transaction() as con:
        yield con


@pytest.mark.parametrize("begin", [_of_ledger, _of_workload])
def test_a_transaction_that_fills_the_disk_says_so(begin: Begin, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        with pytest.raises(sqlite3.OperationalError, match="full"), begin(disk / "kept.db") as con:
            con.execute("CREATE TABLE large (body BLOB)")
            con.execute("INSERT INTO large VALUES (zeroblob(8000000))")
