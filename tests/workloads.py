"""What a store of workloads holds, for tests that import into one."""

from __future__ import annotations

from pathlib import Path

from tools.product.importers import Imported
from tools.product.workload_store import WorkloadStore


def texts(store: WorkloadStore, columns: str = "sql, runs") -> list[tuple]:
    with store.transaction() as con:
        return con.execute(f"SELECT {columns} FROM texts ORDER BY sql").fetchall()


def days(store: WorkloadStore) -> list[tuple]:
    with store.transaction() as con:
        return con.execute("SELECT day, runs FROM days").fetchall()


def callers(store: WorkloadStore) -> list[tuple]:
    with store.transaction() as con:
        return con.execute("SELECT caller, runs FROM callers ORDER BY caller").fetchall()


def reasons(imported: Imported) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in imported.unread.first]


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
