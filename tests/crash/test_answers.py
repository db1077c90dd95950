"""An edit is measured and asked once, a rejection is remembered, whoever dies meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.flow import KILLED, Flow, check_whole

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]

EDIT = ("edit", "--change", '{"to_type": "BIGINT", "forward": "CAST(\\"amount\\" AS BIGINT)"}')
REJECT = ("reject", "--reason", "the feed sends text in June")


def answers(flow: Flow) -> list[tuple[object, ...]]:
    return flow.select("SELECT proposal_id, json_extract(body, '$.verdict') FROM decisions")


def check_edited(
    flow: Flow, proposal: str, rows: list[tuple[object, ...]], before: set[str]
) -> None:
    waiting = flow.waiting()
    check_whole(flow, rows)
    assert answers(flow) == [(proposal, "edit")]
    (edited,) = waiting - before
    assert waiting == before - {proposal} | {edited}
    offers = flow.select("SELECT id, round FROM proposals")
    assert sorted(offers) == sorted((key, 1) for key in before | {edited})
    tried = f'SELECT count(*) FROM trials WHERE body LIKE \'%"id":"{edited}"%\''
    assert flow.select(tried) == [(1,)]
    assert (flow.changes(), flow.amount_type()) == ({}, "VARCHAR")


@pytest.mark.parametrize("point", ["after.approve", "after.measure"])
def test_an_edit_whose_agent_is_killed_is_asked_once(
    asked: Flow, tmp_path: Path, point: str
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal, before = flow.rows(), flow.offered(), set(flow.waiting())
    assert flow.pillion("decide", proposal, *EDIT, crash_at=point).returncode == KILLED
    check_edited(flow, proposal, rows, before)


@pytest.mark.parametrize("point", ["ledger.decide.between", "steward.before_resume"])
def test_a_rejection_whose_agent_is_killed_is_kept_whole_or_not_at_all(
    asked: Flow, tmp_path: Path, point: str
) -> None:
    flow = asked.copy(tmp_path / "flow")
    rows, proposal = flow.rows(), flow.offered()
    assert flow.pillion("decide", proposal, *REJECT, crash_at=point).returncode == KILLED
    if proposal in flow.waiting():
        flow.json("decide", proposal, *REJECT)
    check_whole(flow, rows)
    assert answers(flow) == [(proposal, "reject")]
    assert flow.select("SELECT * FROM outcomes") == []
    assert (flow.changes(), flow.amount_type()) == ({}, "VARCHAR")
