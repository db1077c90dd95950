"""Asking: pure reads before the question, and only recorded answers count."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from pydantic import ValidationError

from graph.checkpoints import build_serializer
from nodes.approve import Answers, approve, build_question
from nodes.context import Context
from nodes.state import State
from tests.factories import make_decision, make_proposal, make_summary_proposal
from tests.fakes import FakeProduct, MemoryRecords, make_candidates, make_context
from tools.messages import CHANGE, Decision

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
PROPOSALS = (
    make_proposal(product="sales"),
    make_summary_proposal(product="sales"),
    make_proposal(make_candidates(1)[0].change, product="sales"),
)
ONE, TWO, THREE = (p.id for p in PROPOSALS)


class Asking:
    """The node alone in a graph: where it goes is where the run ends."""

    def __init__(self) -> None:
        builder = StateGraph(State, context_schema=Context)
        builder.add_node("approve", approve)
        for end in ("apply", "measure", "report"):
            builder.add_node(end, lambda state: {"phase": "offered"})
        builder.add_edge(START, "approve")
        self.graph = builder.compile(InMemorySaver(serde=build_serializer()))
        self.product, self.records = FakeProduct(), MemoryRecords()
        self.records.offered = {p.id: p for p in PROPOSALS}

    async def go(self, given: Any) -> list[str]:
        """Return the nodes that ran after the question."""
        context = make_context(self.product, self.records)
        steps = self.graph.astream(given, CONFIG, context=context, stream_mode="updates")
        return [name async for step in steps for name in step if name in END]

    async def ask(self) -> Any:
        offered = (ONE, TWO, THREE)
        await self.go({"product": "sales", "thread_id": "t1", "offered": offered})
        return (await self.graph.aget_state(CONFIG)).interrupts[0]

    async def answer(self, *decisions: Decision, named: tuple[str, ...] = ()) -> list[str]:
        self.records.answers |= {("t1", d.proposal_id): d for d in decisions}
        ids = (*(d.proposal_id for d in decisions), *named)
        answers = [{"proposal_id": i, "type": "approve"} for i in ids]
        return await self.go(Command(resume={"decisions": answers}))

    async def settled(self) -> dict[str, str]:
        return (await self.graph.aget_state(CONFIG)).values.get("settled", {})


END = {"apply", "measure", "report"}


async def test_asking_writes_nothing_and_calls_nothing() -> None:
    asking = Asking()
    await asking.ask()
    assert (asking.records.writes, asking.product.calls) == (0, [])


async def test_the_question_holds_every_proposal_in_rank_order_as_plain_json() -> None:
    asking = Asking()
    question = (await asking.ask()).value
    assert question == build_question(list(PROPOSALS))
    assert [p["id"] for p in question["proposals"]] == [ONE, TWO, THREE]
    assert [CHANGE.validate_python(a["args"]) for a in question["action_requests"]] == [
        p.change for p in PROPOSALS
    ]


async def test_the_question_carries_the_schema_of_its_answer() -> None:
    schema = (await Asking().ask()).response_schema
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema).is_valid
    assert valid({"decisions": [{"proposal_id": ONE, "type": "reject"}]})
    assert not valid({"decisions": [{"proposal_id": ONE, "type": "maybe"}]})


@pytest.mark.parametrize(
    "payload",
    [
        "yes", {"answers": []}, {"decisions": None}, {"decisions": [{"proposal_id": ONE}]},
        {"decisions": [{"proposal_id": ONE, "type": "maybe"}]},
        {"decisions": [], "extra": 1}, {"decisions": [{"proposal_id": 7, "type": "approve"}]},
    ],
)  # fmt: skip
async def test_a_malformed_answer_fails_and_the_question_stays(payload: Any) -> None:
    asking = Asking()
    before = await asking.ask()
    with pytest.raises(ValidationError):
        await asking.go(Command(resume=payload))
    assert (await asking.graph.aget_state(CONFIG)).interrupts == (before,)
    assert await asking.answer(make_decision(ONE)) == ["apply"]


async def test_an_answer_that_nobody_recorded_does_not_count() -> None:
    asking = Asking()
    await asking.ask()
    assert await asking.answer(named=(ONE,)) == ["report"]
    assert await asking.settled() == {}


async def test_the_recorded_answer_counts_and_not_the_one_that_was_sent() -> None:
    asking = Asking()
    await asking.ask()
    assert await asking.answer(make_decision(ONE, verdict="reject")) == ["report"]
    assert await asking.settled() == {ONE: "reject"}


async def test_an_answer_to_the_offer_of_another_run_does_not_count() -> None:
    asking = Asking()
    await asking.ask()
    asking.records.answers["t2", ONE] = make_decision(ONE)
    assert await asking.answer(named=(ONE,)) == ["report"]
    assert await asking.settled() == {}


async def test_unknown_and_repeated_ids_are_ignored_and_the_rest_stays_open() -> None:
    asking = Asking()
    await asking.ask()
    asking.records.answers["t1", "p404"] = make_decision("p404")
    assert await asking.answer(make_decision(TWO), named=("p404", TWO)) == ["apply"]
    assert await asking.settled() == {TWO: "approve"}


async def test_an_edit_becomes_an_idea_of_the_same_agent() -> None:
    asking = Asking()
    await asking.ask()
    edited = make_candidates(2)[1]
    goes = await asking.answer(make_decision(TWO, verdict="edit", edited=edited.change))
    values = (await asking.graph.aget_state(CONFIG)).values
    (candidate,) = values["candidates"].values()
    assert (goes, list(values["edited"])) == (["measure"], [edited.id])
    assert (candidate.id, candidate.agent, candidate.change) == (
        edited.id, "query", edited.change,
    )  # fmt: skip
    assert candidate.reason == f"ada edited {TWO}"


async def test_approvals_beside_edits_are_applied_first() -> None:
    asking = Asking()
    await asking.ask()
    edit = make_decision(TWO, verdict="edit", edited=make_candidates(2)[1].change)
    assert await asking.answer(edit, make_decision(ONE)) == ["apply"]
    assert len((await asking.graph.aget_state(CONFIG)).values["edited"]) == 1


def test_the_answers_schema_is_closed() -> None:
    assert Answers.model_json_schema()["additionalProperties"] is False
