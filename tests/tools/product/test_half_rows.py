"""The last row of a log, half written when it was read: read again when the log has grown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.workloads import callers, days, texts, written
from tools.product.importers import Imported, import_path
from tools.product.workload_store import WorkloadStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "store" / "w.db")
    yield store
    store.close()


@pytest.mark.parametrize(("half", "rest"), [
    ("SELECT 1,et", "l\n"), ("SELECT 1,etl", "\n"), ("SELECT 1,", "etl\n"),
    ("SELECT 1", " + 1,etl\n"),
])  # fmt: skip
def test_who_asked_in_a_row_that_was_half_written_is_counted_once(
    half: str, rest: str, tmp_path: Path, store: WorkloadStore
) -> None:
    path, begun = tmp_path / "q.csv", "sql,caller\nSELECT 1,board\n"
    import_path(written(path, begun + half), store)
    import_path(written(path, begun + half + rest), store)
    assert callers(store) == [("board", 1), ("etl", 1)]


@pytest.mark.parametrize(("half", "rest"), [
    ("2026-01-03,20,SELECT max(b) FR", "OM t\n"),
    ("2026-01-03,2", "0,SELECT max(b) FROM t\n"),
    ('2026-01-03,20,"SELECT max(b)', ' FROM t"\n'),
    ('2026-01-03,20,"SELECT max(b)\n', 'FROM t"\n'),
    ('2026-01-03,20,"SELECT max(b)\n\n', 'FROM t"\n'),
    ("2026-01-03,20,SELECT max(b) FROM t", "\n"),
    ("2026-01-02,10,SELECT 1", " + 1\n"),
])  # fmt: skip
def test_a_last_row_that_was_half_written_is_read_again(
    half: str, rest: str, tmp_path: Path, store: WorkloadStore
) -> None:
    path, begun = tmp_path / "log.csv", "at,ms,sql\n2026-01-02,10,SELECT 1\n"
    import_path(written(path, begun + half), store)
    assert import_path(path, store).already
    import_path(written(path, begun + half + rest), store)
    import_path(written(path, begun + half + rest + "2026-01-04,1,SELECT 9"), store)
    import_path(written(path, begun + half + rest + "2026-01-04,1,SELECT 9\n"), store)
    found = texts(store, "sql, runs, timed, total_ms"), days(store), store.unread()
    with closing(WorkloadStore(tmp_path / "whole.db")) as other:
        import_path(path, other)
        assert found == (texts(other, "sql, runs, timed, total_ms"), days(other), other.unread())


def test_a_log_that_is_done_without_a_line_end_is_taken_whole_and_once(
    tmp_path: Path, store: WorkloadStore
) -> None:
    path = written(tmp_path / "log.csv", "sql\nSELECT 1\nSELECT 2")
    assert import_path(path, store) == Imported(2)
    assert import_path(path, store).already
    assert texts(store) == [("SELECT 1", 1), ("SELECT 2", 1)]
