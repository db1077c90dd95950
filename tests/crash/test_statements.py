"""A change of many statements, killed between them: all of it is made, and all of it goes."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.crash.flow import Flow, check_whole

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]


def made(flow: Flow) -> tuple[int, int]:
    """Return how many summaries and triggers there are."""
    with duckdb.connect(str(flow.database), read_only=True) as con:
        ((tables,),) = con.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'summary%'"
        ).fetchall()
        ((triggers,),) = con.execute("SELECT count(*) FROM duckdb_triggers()").fetchall()
    return int(tables), int(triggers)


# A summary is filled, then three triggers are made; they go before it goes.
@pytest.mark.parametrize("passage", [2, 4])
def test_a_summary_is_made_and_taken_back_whole(
    grouped: Flow, tmp_path: Path, passage: int
) -> None:
    flow = grouped.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered("create_summary")
    for command, doing, status, left in (
        (("decide", proposal, "approve"), "apply", "applied", (1, 3)),
        (("undo", proposal), "undo", "undone", (0, 0)),
    ):
        point = f"{doing}.between_statements:{passage}"
        done = flow.pillion(*command, crash_at=point, once=True)
        assert (done.returncode, flow.crashed.exists()) == (0, True), done.stderr
        flow.crashed.unlink()
        check_whole(flow, rows)
        assert (flow.changes(), made(flow)) == ({proposal: status}, left)
