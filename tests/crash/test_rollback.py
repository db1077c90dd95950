"""A change that is slower on live is taken back once, whoever dies meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.flow import KILLED, Flow, check_whole
from tests.crash.points import edges

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]

# Above any gain, so that what is approved is taken back.
NEVER_ENOUGH = {"PILLION_ROLLBACK_BELOW": "1000000"}
ROLLED_BACK = 1
AGENT = [*edges("rollback"), "after.verify", "ledger.before_commit:5"]
# The first undo is the one in the copy that `verify_change` times the change against.
SERVER = [
    "snapshot.before_copy", "snapshot.after_copy", "undo.before_commit", "undo.after_commit",
    "undo.before_commit:2", "undo.after_commit:2",
]  # fmt: skip


@pytest.fixture
def strict(asked: Flow, tmp_path: Path) -> Flow:
    return replace(asked.copy(tmp_path / "flow"), settings=NEVER_ENOUGH)


def check_rolled_back(flow: Flow, proposal: str, rows: list[tuple[object, ...]]) -> None:
    assert proposal not in flow.waiting()
    check_whole(flow, rows)
    assert flow.changes() == {proposal: "rolled_back"}
    assert flow.amount_type() == "VARCHAR"
    audited = f"SELECT action FROM audit WHERE subject = '{proposal}' AND action LIKE 'change.%'"
    assert flow.select(audited) == [("change.applied",), ("change.rolled_back",)]
    assert flow.select("SELECT DISTINCT round FROM proposals") == [(1,)]


@pytest.mark.parametrize("point", AGENT)
def test_a_rollback_whose_agent_is_killed_is_done_once(strict: Flow, point: str) -> None:
    rows, proposal = strict.rows(), strict.offered()
    assert strict.pillion("decide", proposal, "approve", crash_at=point).returncode == KILLED
    check_rolled_back(strict, proposal, rows)


@pytest.mark.parametrize("point", [*SERVER, "server.undo_change.after"])
def test_a_rollback_outlives_its_product_server(strict: Flow, point: str) -> None:
    rows, proposal = strict.rows(), strict.offered()
    done = strict.pillion("decide", proposal, "approve", crash_at=point, once=True)
    assert strict.crashed.exists()
    assert (done.returncode, done.stderr) == (ROLLED_BACK, "")
    check_rolled_back(strict, proposal, rows)
