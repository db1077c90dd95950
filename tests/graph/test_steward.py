"""The whole path in one process: find, measure, ask, answer, apply, verify, undo, remember."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver

from graph.checkpoints import Checkpoints
from graph.errors import GraphError, ProductUnavailable, RunFailed, RunLost
from graph.ledger import now
from graph.settings import Settings
from graph.steward import Stewardship, open_steward
from mcp_servers.product.client import ProductClient
from mcp_servers.product.errors import ATTEMPTS, ServerEnded, ToolFailed
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.factories import make_decision
from tests.ledgers import KEPT
from tests.products import CASTS, FEW_ROWS, ROWS, SEVERAL, make_product

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]
BUDGET = 25.0
COSTS = (
    "CREATE TABLE costs AS SELECT i AS id, CAST(hash(i) % 900 AS VARCHAR) AS cost"
    " FROM range(60000) AS r(i)",
    CASTS + "SELECT sum(CAST(cost AS INTEGER)) FROM costs WHERE CAST(cost AS INTEGER) > 9;",
    FEW_ROWS,
)


@pytest.fixture
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ProductService]:
    more, queries, rows = getattr(request, "param", ("", CASTS, FEW_ROWS))
    product = make_product(tmp_path, tmp_path / "home", more=more, queries=queries, rows=rows)
    serving = ProductService(product, ProductSettings())
    yield serving
    serving.close()


@pytest.fixture
async def steward(tmp_path: Path, service: ProductService) -> AsyncIterator[Stewardship]:
    settings = Settings(home=tmp_path / "home", budget_seconds=BUDGET)
    server = build_server(service)
    async with open_steward(settings, lambda name: lambda: server) as held:
        yield held


def waiting(steward: Stewardship) -> dict[str, str]:
    return {o.proposal.change.kind: o.proposal.id for o in steward.ledger.offers(waiting=True)}


async def answer(steward: Stewardship, proposal_id: str, verdict: str, **fields: Any) -> None:
    steward.ledger.decide(
        make_decision(proposal_id=proposal_id, verdict=verdict, decided_at=now(), **fields)
    )
    await steward.deliver()


async def column_type(steward: Stewardship) -> str:
    async with steward.product("sales") as client:
        described = await client.describe_product()
    return next(c.type for c in described.tables[0].columns if c.name == "amount")


async def test_an_approved_change_is_applied_verified_and_undone(steward: Stewardship) -> None:
    thread = await steward.run("sales")
    assert steward.ledger.thread(thread).status == "waiting"
    proposal_id = waiting(steward)["change_type"]
    proposal = steward.ledger.proposal(proposal_id)
    assert proposal.evidence.ratio.low > 1
    assert proposal.evidence.rehearsal is not None and proposal.evidence.rehearsal.ok
    await answer(steward, proposal_id, "approve")
    applied, proved = (o.status for o in steward.ledger.offer_of(proposal_id).outcomes)
    assert applied == "applied" and proved in KEPT
    assert await column_type(steward) in ("INTEGER", "BIGINT")
    async with steward.product("sales") as client:
        await client.undo_change(proposal_id)
    assert await column_type(steward) == "VARCHAR"
    assert steward.ledger.verify().ok


@pytest.mark.parametrize("service", [("", SEVERAL, ROWS)], indirect=True)
async def test_the_textbook_index_is_refused_with_its_number(steward: Stewardship) -> None:
    thread = await steward.run("sales", ("schema",))
    refused = [
        t for t in steward.ledger.trials(thread) if t.candidate.change.kind == "create_index"
    ]
    assert refused and all(t.status == "rejected" for t in refused)
    assert all(t.evidence is not None and t.evidence.ratio.mid > 0 for t in refused)


async def test_a_refused_idea_is_not_offered_again(steward: Stewardship) -> None:
    await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]
    for other in waiting(steward).values():
        await answer(steward, other, "reject", reason="the feed sends text in June")
    thread = await steward.run("sales", ("schema",))
    trial = next(t for t in steward.ledger.trials(thread) if t.candidate.id == proposal_id)
    assert trial.status == "suppressed"
    assert "the feed sends text in June" in trial.reason
    assert proposal_id not in waiting(steward).values()


async def test_a_schema_changed_by_someone_else_expires_the_proposal(
    steward: Stewardship, service: ProductService
) -> None:
    await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]
    with service.owner.cursor() as con:
        con.execute("ALTER TABLE sales ADD COLUMN later INTEGER")
    await answer(steward, proposal_id, "approve")
    outcome = steward.ledger.offer_of(proposal_id).outcomes[-1]
    assert outcome.status == "expired"
    assert "changed by someone else" in outcome.detail


@pytest.mark.parametrize("service", [COSTS], indirect=True)
async def test_one_of_several_answers_leaves_the_rest_open(steward: Stewardship) -> None:
    thread = await steward.run("sales")
    first, *others = [o.proposal.id for o in steward.ledger.offers(waiting=True)]
    assert others
    await answer(steward, first, "approve")
    assert [o.proposal.id for o in steward.ledger.offers(waiting=True)] == others
    assert steward.ledger.thread(thread).status == "waiting"


async def test_a_run_that_offers_anew_ends_the_run_that_offered_before(
    steward: Stewardship,
) -> None:
    first = await steward.run("sales", ("schema",))
    second = await steward.run("sales", ("schema",))
    statuses = {t.id: t.status for t in steward.ledger.threads("sales")}
    assert statuses == {first: "done", second: "waiting"}
    assert steward.ledger.undelivered() == {}
    assert len(steward.ledger.offers(waiting=True)) == 1


class Fault(Exception):
    """What nobody foresaw."""


async def test_a_fault_of_ours_ends_its_run_and_blocks_nothing(
    steward: Stewardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def faulty(*arguments: object) -> None:
        raise Fault("unforeseen")

    with monkeypatch.context() as patched:
        patched.setattr(await steward.runs(), "_stream", faulty)
        with pytest.raises(RunFailed, match="Fault: unforeseen"):
            await steward.run("sales")
    assert [t.status for t in steward.ledger.threads("sales")] == ["failed"]
    again = await steward.run("sales", ("schema",))
    assert steward.ledger.thread(again).status == "waiting"


async def test_an_answer_to_a_run_in_trouble_waits_and_holds_up_no_other_command(
    steward: Stewardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    steward.on_event = lambda event: notes.append(str(event.get("text")))
    thread = await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]

    async def faulty(*arguments: object) -> None:
        raise Fault("unforeseen")

    with monkeypatch.context() as patched:
        patched.setattr(await steward.runs(), "_stream", faulty)
        await answer(steward, proposal_id, "approve")
    assert f"{thread} has to wait: {thread} failed: Fault: unforeseen" in notes
    assert list(steward.ledger.undelivered()) == [thread]
    await steward.recover()
    applied, proved = (o.status for o in steward.ledger.offer_of(proposal_id).outcomes)
    assert applied == "applied" and proved in KEPT


async def lose_state(steward: Stewardship, thread: str) -> None:
    """Delete all checkpoints of a run."""
    saver = (await steward.runs()).graph.checkpointer
    assert isinstance(saver, BaseCheckpointSaver)
    await saver.adelete_thread(thread)


@pytest.mark.parametrize("service", [COSTS], indirect=True)
async def test_a_rejection_needs_no_state_and_leaves_the_rest_open(steward: Stewardship) -> None:
    thread = await steward.run("sales", ("schema",))
    rejected, *others = [o.proposal.id for o in steward.ledger.offers(waiting=True)]
    assert others
    await lose_state(steward, thread)
    await answer(steward, rejected, "reject")
    assert [o.proposal.id for o in steward.ledger.offers(waiting=True)] == others


@pytest.mark.parametrize("service", [COSTS], indirect=True)
async def test_an_answer_to_a_run_whose_state_is_gone_says_so_and_ends_it(
    steward: Stewardship,
) -> None:
    thread = await steward.run("sales", ("schema",))
    first, *others = [o.proposal.id for o in steward.ledger.offers(waiting=True)]
    assert others
    await lose_state(steward, thread)
    steward.ledger.decide(make_decision(first, decided_at=now()))
    with pytest.raises(RunLost, match="`pillion run sales` measures it again"):
        await steward.deliver(thread)
    (outcome,) = steward.ledger.offer_of(first).outcomes
    assert (outcome.status, "the state of its run is gone" in outcome.detail) == ("failed", True)
    closed = [steward.ledger.offer_of(p).decision for p in others]
    assert [d and d.verdict for d in closed] == ["expire"] * len(others)
    assert steward.ledger.thread(thread).status == "failed"
    assert steward.ledger.undelivered() == {}
    await steward.run("sales", ("schema",))
    assert first in [o.proposal.id for o in steward.ledger.offers(waiting=True)]
    assert steward.ledger.verify().ok


async def test_an_answer_to_a_run_whose_state_is_damaged_holds_up_no_other_command(
    steward: Stewardship,
) -> None:
    thread = await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]
    saver = (await steward.runs()).graph.checkpointer
    assert isinstance(saver, Checkpoints)
    await saver.conn.execute("UPDATE checkpoints SET checkpoint = x'c1c1c1c1'")
    steward.ledger.decide(make_decision(proposal_id, decided_at=now()))
    with pytest.raises(RunLost, match="gone or damaged"):
        await steward.deliver(thread)
    assert steward.ledger.thread(thread).status == "failed"
    again = await steward.run("sales", ("schema",))
    assert steward.ledger.thread(again).status == "waiting"


async def test_an_unfinished_run_whose_state_is_damaged_is_given_up(steward: Stewardship) -> None:
    thread = await steward.run("sales", ("schema",))
    saver = (await steward.runs()).graph.checkpointer
    assert isinstance(saver, Checkpoints)
    await saver.conn.execute("UPDATE checkpoints SET checkpoint = x'c1c1c1c1'")
    steward.ledger.set_thread(thread, "running")
    with pytest.raises(RunLost):
        await steward.run("sales", ("schema",))
    assert steward.ledger.thread(thread).status == "failed"
    assert waiting(steward) == {}


async def test_an_answer_that_only_meets_faults_does_not_wait_for_ever(
    steward: Stewardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]

    async def faulty(*arguments: object) -> None:
        raise Fault("unforeseen")

    monkeypatch.setattr(await steward.runs(), "_stream", faulty)
    steward.ledger.decide(make_decision(proposal_id, decided_at=now()))
    for _ in range(ATTEMPTS):
        assert list(steward.ledger.undelivered()) == [thread]
        with pytest.raises(RunFailed, match="Fault: unforeseen"):
            await steward.deliver(thread)
    assert steward.ledger.undelivered() == {}
    (outcome,) = steward.ledger.offer_of(proposal_id).outcomes
    assert outcome.status == "failed"
    assert "its run failed each time (Fault: unforeseen); `pillion run`" in outcome.detail
    assert steward.ledger.verify().ok


async def test_an_undo_in_which_the_server_ends_each_time_is_dropped(
    steward: Stewardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]
    await answer(steward, proposal_id, "approve")

    async def ends(*arguments: object, **fields: object) -> None:
        raise ServerEnded("it ended, twice")

    with monkeypatch.context() as patched:
        patched.setattr(ProductClient, "undo_change", ends)
        for _ in range(2):
            for _ in range(ATTEMPTS - 1):
                with pytest.raises(ProductUnavailable):
                    await steward.undo(proposal_id, "person:ada")
                assert steward.ledger.undo_requests()
            with pytest.raises(GraphError, match=r"each of 3 attempts at this \(undo\).*dropped"):
                await steward.undo(proposal_id, "person:ada")
            assert steward.ledger.undo_requests() == []
    await steward.undo(proposal_id, "person:ada")
    assert steward.ledger.offer_of(proposal_id).outcomes[-1].status == "undone"


async def test_an_approval_that_waits_is_not_asked_for_again_by_another_run(
    steward: Stewardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await steward.run("sales", ("schema",))
    proposal_id = waiting(steward)["change_type"]

    async def locked(*arguments: object) -> None:
        raise ToolFailed("database_locked", "another program holds it")

    with monkeypatch.context() as patched:
        patched.setattr(ProductClient, "apply_change", locked)
        steward.ledger.decide(make_decision(proposal_id, decided_at=now()))
        with pytest.raises(ProductUnavailable, match="The answer is kept"):
            await steward.deliver(first)
        # As the service does when somebody asks for a run meanwhile.
        await (await steward.runs()).start("second", "sales", ("schema",), BUDGET)
    assert waiting(steward) == {}
    (trial,) = (t for t in steward.ledger.trials("second") if t.candidate.id == proposal_id)
    assert "approved in an earlier run" in trial.reason
    await steward.deliver(first)
    assert [o.status for o in steward.ledger.offer_of(proposal_id).outcomes][:1] == ["applied"]
    assert steward.ledger.offer_of(proposal_id).thread_id == first
