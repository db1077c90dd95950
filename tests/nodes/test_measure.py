"""Measuring: everything that has no verdict, together, and every verdict kept."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from nodes.measure import measure
from nodes.refusal import Refusal
from nodes.state import State, Verdicted
from tests.factories import make_decision, make_interval, make_proposal
from tests.fakes import FakeProduct, MemoryRecords, make_candidates, make_context, make_runtime
from tools.ideas import idea_key
from tools.messages import Candidate

ONE, TWO = make_candidates(2)


def make_state(**fields: Any) -> State:
    return State(
        product="sales", thread_id="t1", candidates={ONE.id: ONE, TWO.id: TWO}, **fields
    )  # fmt: skip


async def test_winners_and_losers_are_kept_with_their_numbers() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.losers = {TWO.id}
    update = await measure(make_state(), make_runtime(product, records))
    assert {k: v.status for k, v in update["verdicts"].items()} == {
        ONE.id: "accepted", TWO.id: "rejected",
    }  # fmt: skip
    assert update["verdicts"][TWO.id].ratio == make_interval(0.8)
    assert [t.status for t in records.trials("t1")] == ["accepted", "rejected"]
    assert (update["total"], update["queries"]) == (make_interval(2.0), 5)


async def test_what_has_a_verdict_is_not_measured_again() -> None:
    product = FakeProduct()
    verdict = Verdicted(candidate_id=ONE.id, status="refused")
    await measure(make_state(verdicts={ONE.id: verdict}), make_runtime(product, MemoryRecords()))
    assert product.asked("measure") == [TWO.id]
    both = {c.id: Verdicted(candidate_id=c.id, status="refused") for c in (ONE, TWO)}
    assert await measure(make_state(verdicts=both), make_runtime(product, MemoryRecords())) == {}
    assert len(product.calls) == 1


async def test_what_a_person_refused_is_measured_aside_unless_it_was_edited() -> None:
    product = FakeProduct()
    asked: list[Candidate] = []
    measured = product.measure_candidates

    async def listen(candidates: Any, *rest: Any) -> Any:
        asked.extend(candidates)
        return await measured(candidates, *rest)

    product.measure_candidates = listen  # type: ignore[method-assign]
    proposal = make_proposal(ONE.change)
    refusal = Refusal(make_decision(proposal.id, verdict="reject"), proposal)
    records = MemoryRecords({idea_key(ONE.change): refusal})
    await measure(make_state(), make_runtime(product, records))
    await measure(make_state(edited=(ONE.id,)), make_runtime(product, records))
    assert [c.aside for c in asked] == [True, False, False, False]


async def test_an_edit_does_not_replace_the_total_of_the_run() -> None:
    update = await measure(
        make_state(edited=(TWO.id,)), make_runtime(FakeProduct(), MemoryRecords())
    )
    assert "total" not in update and "queries" not in update


async def test_progress_is_told_while_it_works() -> None:
    events: list[Any] = []
    context = make_context(FakeProduct(), MemoryRecords())
    await measure(make_state(), Runtime(context=context, stream_writer=events.append))
    assert [(e["kind"], e["node"], e["total"]) for e in events] == [("progress", "measure", 2)] * 2
