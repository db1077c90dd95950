"""The graph: who comes after whom, and a whole run of it over twins."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graph.build import NODES, build_graph
from graph.checkpoints import build_serializer
from tests.factories import make_decision, make_interval
from tests.fakes import FakeProduct, MemoryRecords, make_candidates, make_context
from tools.messages import TrialStatus

CONFIG: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 1000}
FIXED = {
    ("__start__", "supervise"),
    ("schema", "measure"),
    ("query", "measure"),
    ("measure", "gate"),
    ("gate", "rank"),
    ("rank", "report"),
    ("apply", "verify"),
    ("report", "supervise"),
}
CHOSEN = {
    "supervise": {"schema", "query", "approve", "__end__"},
    "approve": {"apply", "measure", "report"},
    "verify": {"rollback", "apply", "measure", "report"},
    "rollback": {"apply", "measure", "report"},
}


def test_the_drawn_graph_has_these_edges_and_no_others() -> None:
    edges = build_graph().get_graph().edges
    assert {(e.source, e.target) for e in edges if not e.conditional} == FIXED
    chosen = {(e.source, e.target) for e in edges if e.conditional}
    assert chosen == {(node, to) for node, targets in CHOSEN.items() for to in targets}


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_a_node_is_named_like_its_module_and_says_what_it_does(node: Any) -> None:
    assert node.__module__ == f"nodes.{node.__name__}"
    assert node.__doc__
    assert node.__name__ in build_graph().nodes


class Run:
    """One thread of the graph over twins."""

    def __init__(self, product: FakeProduct) -> None:
        self.product, self.records = product, MemoryRecords()
        self.context = make_context(product, self.records)
        self.graph = build_graph(InMemorySaver(serde=build_serializer()))

    async def go(self, given: Any) -> dict[str, Any]:
        return await self.graph.ainvoke(given, CONFIG, context=self.context)

    async def start(self) -> list[str]:
        await self.go({"product": "sales", "thread_id": "t1"})
        return await self.open()

    async def answer(self, *verdicts: tuple[str, str], **fields: Any) -> list[str]:
        for key, verdict in verdicts:
            made = make_decision(key, verdict=verdict, **fields)
            self.records.answers["t1", key] = made
        payload = {"decisions": [{"proposal_id": k, "type": v} for k, v in verdicts]}
        await self.go(Command(resume=payload))
        return await self.open()

    async def open(self) -> list[str]:
        found = (await self.graph.aget_state(CONFIG)).interrupts
        return [p["id"] for p in found[0].value["proposals"]] if found else []


async def test_ideas_of_both_agents_are_measured_and_asked_in_one_question() -> None:
    (one, two), (three,) = make_candidates(2), make_candidates(3, agent="query")[2:]
    run = Run(FakeProduct(one, two, three))
    run.product.losers = {two.id}
    assert set(await run.start()) == {one.id, three.id}
    assert sorted(run.product.asked("find")) == ["query", "schema"]
    assert run.product.asked("apply") == []


async def test_answers_may_come_one_by_one() -> None:
    run = Run(FakeProduct(*make_candidates(3)))
    first, second, third = await run.start()
    assert await run.answer((second, "approve")) == [first, third]
    assert await run.answer((first, "reject"), (third, "approve")) == []
    assert run.product.asked("apply") == [second, third]
    assert (await run.graph.aget_state(CONFIG)).next == ()


async def test_an_edit_is_measured_and_asked_like_any_other_idea() -> None:
    run = Run(FakeProduct(*make_candidates(1)))
    (asked,) = await run.start()
    edited = make_candidates(2)[1]
    assert await run.answer((asked, "edit"), edited=edited.change) == [edited.id]
    assert await run.answer((edited.id, "approve")) == []
    assert run.product.asked("apply") == [edited.id]


async def test_an_edit_beside_a_change_that_is_rolled_back_is_not_forgotten() -> None:
    run = Run(FakeProduct(*make_candidates(2)))
    slow, asked = await run.start()
    run.product.live[slow] = make_interval(0.5)
    edited = make_candidates(3)[2]
    run.records.answers["t1", slow] = make_decision(slow)
    run.records.answers["t1", asked] = make_decision(asked, verdict="edit", edited=edited.change)
    decisions = [{"proposal_id": slow, "type": "approve"}, {"proposal_id": asked, "type": "edit"}]
    await run.go(Command(resume={"decisions": decisions}))
    assert await run.open() == [edited.id]
    assert run.product.asked("undo") == [slow]


async def test_a_run_with_nothing_to_offer_ends_without_a_question() -> None:
    run = Run(FakeProduct(*make_candidates(2)))
    run.product.losers = {c.id for c in run.product.candidates}
    assert await run.start() == []
    assert (await run.graph.aget_state(CONFIG)).next == ()
    assert run.records.reports["t1"]["offered"] == []


@pytest.mark.parametrize("status", ["refused", "failed", "unmeasured"])
async def test_a_question_is_open_again_when_its_edit_could_not_be_tried(
    status: TrialStatus,
) -> None:
    run = Run(FakeProduct(*make_candidates(2)))
    asked, other = await run.start()
    edited = make_candidates(3)[2]
    run.product.untried = {edited.id: status}
    assert await run.answer((asked, "edit"), edited=edited.change) == [asked, other]
    # The same edit again beside an approval is not measured a second time, and not lost either.
    run.records.answers["t1", other] = make_decision(other)
    run.records.answers["t1", asked] = make_decision(asked, verdict="edit", edited=edited.change)
    given = [{"proposal_id": other, "type": "approve"}, {"proposal_id": asked, "type": "edit"}]
    await run.go(Command(resume={"decisions": given}))
    assert await run.open() == [asked]
    assert await run.answer((asked, "approve")) == []
    assert run.product.asked("apply") == [other, asked]


async def test_an_edit_that_was_measured_and_lost_does_not_open_its_question_again() -> None:
    run = Run(FakeProduct(*make_candidates(1)))
    (asked,) = await run.start()
    edited = make_candidates(2)[1]
    run.product.losers = {edited.id}
    assert await run.answer((asked, "edit"), edited=edited.change) == []
