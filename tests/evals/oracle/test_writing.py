"""Rows are written in a process of its own, which says whether all were taken."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from evals.oracle.writing import written

TAKEN = "INSERT INTO t VALUES (1)"


@pytest.mark.parametrize(
    ("statements", "taken"),
    [
        ((TAKEN, TAKEN), True),
        ((TAKEN, "INSERT INTO t VALUES ('one')"), False),
        (("INSERT INTO nowhere VALUES (1)",), False),
        ((), True),
    ],
)
async def test_rows_are_written_or_it_is_said(
    statements: tuple[str, ...], taken: bool, tmp_path: Path
) -> None:
    path = tmp_path / "t.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t (i INTEGER)")
    assert await written(path, statements) == taken


async def test_a_database_that_cannot_be_opened_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.duckdb"
    path.write_bytes(b"\0" * 9000)
    assert not await written(path, (TAKEN,))
