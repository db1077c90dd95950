"""Workloads from the logs that DuckDB writes itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.workloads import reasons, texts, written
from tools.product.importers import import_path
from tools.product.workload_store import WorkloadStore

REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "store" / "w.db")
    yield store
    store.close()


def documented() -> list[str]:
    section = REFERENCE.read_text().split("## Query logs")[1].split("\n## ")[0]
    return re.findall(r"```sql\n(.*?)\n```", section, re.DOTALL)


def worked(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT i FROM range(9) r(i)")
    con.execute("SELECT max(i)\nFROM t WHERE i > ?", [3]).fetchall()
    con.execute("SELECT 'a;b', \"i\" FROM t").fetchall()
    con.execute("PIVOT t ON i USING count(*)").fetchall()


def test_the_documented_way_to_hand_over_duckdbs_log_works(
    tmp_path: Path, store: WorkloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    enable, export = documented()
    with duckdb.connect("p.duckdb") as con:
        con.execute(enable)
        worked(con)
        con.execute(export)
    imported = import_path(tmp_path / "queries.csv", store)
    assert (imported.runs, imported.unread.total) == (3, 2)
    assert {reason for _, reason in reasons(imported)} == {
        "DuckDB made its SQL of a PIVOT, and it runs nowhere else"
    }
    assert [sql for (sql, _) in texts(store)] == [
        "CREATE TABLE t AS SELECT i FROM range(9) r(i)",
        "SELECT 'a;b', \"i\" FROM t", "SELECT max(i)\nFROM t WHERE i > ?",
    ]  # fmt: skip
    assert {s for (s,) in texts(store, "source")} == {"duckdb_log"}


def test_a_log_that_duckdb_kept_in_files_is_read_from_its_directory(
    tmp_path: Path, store: WorkloadStore
) -> None:
    with duckdb.connect() as con:
        con.execute(f"CALL enable_logging('QueryLog', storage_path = '{tmp_path / 'querylog'}')")
        worked(con)
    assert import_path(tmp_path / "querylog", store).runs == 3


def test_other_entries_of_duckdbs_log_are_no_queries(tmp_path: Path, store: WorkloadStore) -> None:
    log = "type,message\nMetrics,SELECT 1\nQueryLog,SELECT 2\nFileSystem,open\n"
    imported = import_path(written(tmp_path / "log.csv", log), store)
    said = "it is no entry of DuckDB's QueryLog"
    assert (imported.runs, reasons(imported)) == (1, [(2, said), (4, said)])
