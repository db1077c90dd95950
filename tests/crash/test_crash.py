"""SIGKILL at every step edge and inside every write: nothing is lost, nothing happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.flow import KILLED, Flow, check_whole
from tests.crash.points import commits, edges, tools

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]


RUN_AGENT = [
    *edges("supervise", "schema", "query", "measure", "gate", "rank", "report"),
    "before.supervise:2", "after.supervise:2", "before.approve",
    *commits(1, 10), "ledger.after_commit", "ledger.after_commit:7",
    "checkpoints.put.before_write", "checkpoints.put.after_write:8",
    "checkpoints.put_writes.before_write:8", "checkpoints.put_writes.after_write",
]  # fmt: skip
RUN_SERVER = [
    *tools("describe_product", "read_workload", "find_candidates"),
    *tools("measure_candidates", "check_change"),
    "snapshot.before_copy", "snapshot.after_copy", "server.measure",
]  # fmt: skip
RUN_SHADOW = [
    "apply.between_statements", "apply.before_commit", "undo.before_commit",
    "journal.before_write:3", "journal.after_write:3",
]  # fmt: skip
DECIDE_AGENT = [
    "ledger.decide.between", "steward.before_resume",
    *edges("approve", "apply", "verify", "report", "supervise"),
    *commits(1, 7), "ledger.after_commit",
    "checkpoints.put.before_write:4", "checkpoints.put.after_write",
    "checkpoints.put_writes.before_write", "checkpoints.put_writes.after_write:4",
]  # fmt: skip
CHANGE_SERVER = [
    "server.apply.before_baseline", "live.before_rename", "live.after_rename",
    "apply.before_change", "apply.between_statements",
    "apply.before_ledger", "apply.before_commit", "apply.after_commit",
    *tools("apply_change", "verify_change"),
]  # fmt: skip
UNDO_AGENT = ["steward.undo.requested", "steward.undo.done", *commits(1, 2), "ledger.after_commit"]
UNDO_SERVER = [
    "undo.before_change", "undo.between_statements", "undo.before_ledger", "undo.before_commit",
    "undo.after_commit", *tools("undo_change"),
]  # fmt: skip


def check_asked(flow: Flow, rows: list[tuple[object, ...]], *, again: bool = True) -> None:
    if again:
        assert flow.json("run", "sales")["status"] == "waiting"
    check_whole(flow, rows)
    assert flow.offered() in flow.waiting()
    assert flow.select("SELECT DISTINCT round FROM proposals") == [(1,)]
    assert flow.amount_type() == "VARCHAR"


@pytest.mark.parametrize("point", RUN_AGENT)
def test_a_run_whose_agent_is_killed_asks_the_same_once(
    registered: Flow, tmp_path: Path, point: str
) -> None:
    flow = registered.copy(tmp_path / "flow")
    rows = flow.rows()
    assert flow.pillion("run", "sales", crash_at=point).returncode == KILLED
    check_asked(flow, rows)


@pytest.mark.parametrize("point", RUN_SERVER)
def test_a_run_outlives_its_product_server(registered: Flow, tmp_path: Path, point: str) -> None:
    flow = registered.copy(tmp_path / "flow")
    rows = flow.rows()
    done = flow.pillion("run", "sales", crash_at=point, once=True)
    assert flow.crashed.exists()
    assert done.returncode == 0, done.stderr
    check_asked(flow, rows, again=False)


@pytest.mark.parametrize("point", RUN_SHADOW)
def test_a_killed_measurement_is_told_and_taken_up_again(
    registered: Flow, tmp_path: Path, point: str
) -> None:
    flow = registered.copy(tmp_path / "flow")
    rows = flow.rows()
    done = flow.pillion("run", "sales", crash_at=point, once=True)
    assert flow.crashed.exists()
    assert done.returncode == 1
    assert "The measurement ended without a result" in done.stderr
    check_asked(flow, rows)


def test_a_measurement_that_always_dies_in_one_trial_goes_on_without_it(
    registered: Flow, tmp_path: Path
) -> None:
    flow = registered.copy(tmp_path / "flow")
    rows, codes = flow.rows(), []
    while len(codes) < 8 and 0 not in codes:
        codes.append(flow.pillion("run", "sales", crash_at="apply.before_commit").returncode)
    assert codes[:2] == [1, 1] and codes[-1] == 0
    check_whole(flow, rows)
    told = "SELECT DISTINCT body ->> '$.reason' FROM trials WHERE status = 'failed'"
    assert flow.select(told) == [
        ("the measurement ended in its trial 2 times: it was stopped, or had too little memory",)
    ]


def check_decided(flow: Flow, proposal: str, rows: list[tuple[object, ...]]) -> None:
    """The answer stands and is carried out once, or was never given and can be given now."""
    if proposal in flow.waiting():
        assert flow.amount_type() == "VARCHAR"
        flow.json("decide", proposal, "approve")
    check_whole(flow, rows)
    assert flow.changes() == {proposal: "applied"}
    assert flow.amount_type() in ("INTEGER", "BIGINT")
    decided = f"SELECT count(*) FROM decisions WHERE proposal_id = '{proposal}'"
    assert flow.select(decided) == [(1,)]
    audited = f"SELECT action FROM audit WHERE subject = '{proposal}' AND action LIKE 'change.%'"
    applied, (proved,) = flow.select(audited)
    assert applied == ("change.applied",) and proved in ("change.verified", "change.unproven")


@pytest.mark.parametrize("point", DECIDE_AGENT)
def test_an_answer_whose_agent_is_killed_is_carried_out_once(
    asked: Flow, tmp_path: Path, point: str
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered()
    assert flow.pillion("decide", proposal, "approve", crash_at=point).returncode == KILLED
    check_decided(flow, proposal, rows)


@pytest.mark.parametrize("point", CHANGE_SERVER)
def test_a_change_whose_server_is_killed_is_made_once(
    asked: Flow, tmp_path: Path, point: str
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered()
    done = flow.pillion("decide", proposal, "approve", crash_at=point, once=True)
    assert flow.crashed.exists()
    assert done.returncode == 0, done.stderr
    check_decided(flow, proposal, rows)


def test_a_change_whose_server_dies_each_time_waits_for_the_next_command(
    asked: Flow, tmp_path: Path
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered()
    done = flow.pillion("decide", proposal, "approve", crash_at="apply.before_commit")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Nothing is half done" in done.stderr
    check_decided(flow, proposal, rows)


def test_a_run_whose_server_dies_each_time_ends_and_says_what_to_do(
    registered: Flow, tmp_path: Path
) -> None:
    flow = registered.copy(tmp_path / "flow")
    rows = flow.rows()
    for status in ("running", "running", "failed"):
        done = flow.pillion("run", "sales", crash_at="server.measure_candidates.before")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert flow.select("SELECT status FROM threads") == [(status,)]
    assert "server.log" in done.stderr and "PILLION_PRODUCT_MEMORY_LIMIT" in done.stderr
    (failed,) = flow.select("SELECT body FROM audit WHERE action = 'run.failed'")
    assert "attempts at this (measure" in failed[0]
    check_whole(flow, rows)
    assert flow.json("run", "sales")["status"] == "waiting"


def test_a_change_in_which_the_server_dies_each_time_is_told_as_failed(
    asked: Flow, tmp_path: Path
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered()
    flow.pillion("decide", proposal, "approve", crash_at="apply.before_commit")
    for _ in range(2):
        assert flow.select("SELECT status FROM outcomes") == []
        flow.pillion("review", crash_at="apply.before_commit")
    assert (flow.changes(), flow.rows(), flow.amount_type()) == ({}, rows, "VARCHAR")
    assert flow.select("SELECT seq FROM outbox WHERE delivered_at IS NULL") == []
    (outcome,) = flow.select("SELECT body FROM outcomes")
    assert '"status":"failed"' in outcome[0] and "ended in each of 3 attempts" in outcome[0]
    assert flow.json("run", "sales")["status"] == "waiting"


def check_undone(flow: Flow, proposal: str, rows: list[tuple[object, ...]]) -> None:
    flow.waiting()
    if flow.changes() == {proposal: "applied"}:
        flow.json("undo", proposal)
    check_whole(flow, rows)
    assert flow.changes() == {proposal: "undone"}
    assert flow.amount_type() == "VARCHAR"


@pytest.mark.parametrize("point", UNDO_AGENT)
def test_an_undo_whose_agent_is_killed_is_done_once(
    applied: Flow, tmp_path: Path, point: str
) -> None:
    flow = applied.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), next(iter(flow.changes()))
    assert flow.pillion("undo", proposal, crash_at=point).returncode == KILLED
    check_undone(flow, proposal, rows)


@pytest.mark.parametrize("point", UNDO_SERVER)
def test_an_undo_outlives_its_product_server(applied: Flow, tmp_path: Path, point: str) -> None:
    flow = applied.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), next(iter(flow.changes()))
    done = flow.pillion("undo", proposal, crash_at=point, once=True)
    assert flow.crashed.exists()
    assert done.returncode == 0, done.stderr
    check_undone(flow, proposal, rows)
