"""A product server that ends each time: so many tries, then the step is told as failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mcp_servers.product.contract import Applied
from mcp_servers.product.errors import ATTEMPTS, ServerEnded, ServerGone, ToolFailed
from nodes.apply import apply
from nodes.measure import measure
from nodes.query import query
from nodes.rank import rank
from nodes.rollback import rollback
from nodes.schema import schema
from nodes.state import Passed, State
from nodes.verify import verify
from tests.factories import make_evidence, make_proposal
from tests.fakes import FakeProduct, MemoryRecords, failure, make_candidates, make_runtime
from tools.messages import Trial

ONE, TWO = make_candidates(2)
PROPOSAL = make_proposal(ONE.change, product="sales")
ENDED = ServerEnded("it ended, twice")
Node = Callable[[State, Any], Awaitable[Any]]


def make_records() -> MemoryRecords:
    records = MemoryRecords()
    records.offered = {PROPOSAL.id: PROPOSAL}
    return records


def make_state(**fields: Any) -> State:
    return State(product="sales", thread_id="t1", **fields)


def made(status: Any, approval: str | None = "t1") -> Applied:
    return Applied(
        proposal_id=PROPOSAL.id, status=status, kind="change_type", target="t.c",
        applied_at="2026-03-02T09:30:00+00:00", detail="made", approval=approval,
    )  # fmt: skip


async def at_last(node: Node, state: State, product: FakeProduct, records: MemoryRecords) -> Any:
    """Return what comes of the attempt after those that leave the step to the next command."""
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(ServerEnded):
            await node(state, make_runtime(product, records))
        assert records.outcomes == []
    return await node(state, make_runtime(product, records))


APPROVED = make_state(offered=(PROPOSAL.id,), settled={PROPOSAL.id: "approve"})


@pytest.mark.parametrize(
    ("changes", "status", "applied"),
    [
        ((), "failed", ()),
        ((made("applied", "another run"),), "failed", ()),
        ((made("undone"),), "failed", ()),
        ((made("applied"),), "applied", (PROPOSAL.id,)),
    ],
)
async def test_an_approved_change_is_told_as_the_product_has_it(
    changes: tuple[Applied, ...], status: str, applied: tuple[str, ...]
) -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", PROPOSAL.id], product.made = ENDED, changes
    update = await at_last(apply, APPROVED, product, records)
    assert (update["handled"], update.get("applied", ())) == ((PROPOSAL.id,), applied)
    (outcome,) = records.outcomes
    assert outcome.status == status
    assert status == "applied" or "ended in each of 3 attempts" in outcome.detail


async def test_an_approved_change_of_which_nobody_can_tell_says_so() -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", PROPOSAL.id] = product.failing["changes", ""] = ENDED
    assert await at_last(apply, APPROVED, product, records) == {"handled": (PROPOSAL.id,)}
    (outcome,) = records.outcomes
    assert outcome.status == "unproven"
    assert outcome.detail.startswith("nobody can tell whether it is in place")


async def test_a_server_that_is_not_there_is_waited_for() -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", PROPOSAL.id] = ServerGone("nobody listens")
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(ServerGone):
            await apply(APPROVED, make_runtime(product, records))
    assert (records.outcomes, records.cut) == ([], {})


async def test_what_cannot_be_timed_is_in_place_without_a_proof() -> None:
    product, records = FakeProduct(), make_records()
    product.failing["verify", PROPOSAL.id] = ENDED
    command = await at_last(verify, make_state(applied=(PROPOSAL.id,)), product, records)
    assert command.goto == "report"
    (outcome,) = records.outcomes
    assert (outcome.status, "could not be timed on live" in outcome.detail) == ("unproven", True)


@pytest.mark.parametrize(
    ("status", "becomes"), [("applied", "unproven"), ("rolled_back", "rolled_back")]
)
async def test_a_rollback_is_told_as_the_product_has_it(status: str, becomes: str) -> None:
    product, records = FakeProduct(), make_records()
    product.failing["undo", PROPOSAL.id], product.made = ENDED, (made(status),)
    state = make_state(regressed=(PROPOSAL.id,), losses={PROPOSAL.id: "slower"})
    await at_last(rollback, state, product, records)
    assert [o.status for o in records.outcomes] == [becomes]


@pytest.mark.parametrize(
    ("node", "call", "fields"),
    [
        (schema, ("find", "schema"), {}),
        (query, ("find", "query"), {}),
        (measure, ("measure", ONE.id), {"candidates": {ONE.id: ONE}}),
        (rank, ("check", ONE.id), {"passed": {ONE.id: Passed(candidate_id=ONE.id)}}),
    ],
)
async def test_a_run_that_asked_nothing_yet_fails_as_a_whole(
    node: Node, call: tuple[str, str], fields: dict[str, Any]
) -> None:
    product, records = FakeProduct(ONE), make_records()
    records.record_trials("t1", "sales", [accepted()])
    product.failing[call] = ENDED
    with pytest.raises(ToolFailed, match=r"attempts at this .*`pillion run` begins anew"):
        await at_last(node, make_state(**fields), product, records)


def accepted() -> Trial:
    return Trial(candidate=ONE, status="accepted", reason="it won", evidence=make_evidence())


async def test_an_edit_that_cannot_be_measured_fails_alone() -> None:
    product, records = FakeProduct(), make_records()
    product.failing["measure", ONE.id] = ENDED
    state = make_state(candidates={ONE.id: ONE}, edited=(ONE.id,), offered=(TWO.id,))
    update = await at_last(measure, state, product, records)
    assert update["verdicts"][ONE.id].status == "failed"
    (trial,) = records.trials("t1")
    assert "ended in each of 3 attempts" in trial.reason
    product.failing["measure", ONE.id] = failure("measure_failed")
    assert (await measure(state, make_runtime(product, records)))["verdicts"]
    product.failing["measure", ONE.id] = failure("disk_full")
    with pytest.raises(ServerGone, match="The edit is kept"):
        await measure(state, make_runtime(product, records))


async def test_an_edit_that_cannot_be_checked_fails_alone() -> None:
    product, records = FakeProduct(), make_records()
    records.record_trials("t1", "sales", [accepted()])
    product.failing["check", ONE.id] = ENDED
    passed = {ONE.id: Passed(candidate_id=ONE.id)}
    update = await at_last(rank, make_state(passed=passed, offered=(TWO.id,)), product, records)
    assert update["offered"] == ()
    assert [t.status for t in records.trials("t1")] == ["refused"]
