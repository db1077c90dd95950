"""The supervisor, and the agents it sends out."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.query import query
from nodes.schema import schema
from nodes.state import State, Verdicted
from nodes.supervise import AGENTS, supervise
from tests.factories import make_trial
from tests.fakes import FakeProduct, MemoryRecords, make_candidates, make_runtime

RUNTIME = make_runtime(FakeProduct(), MemoryRecords())


@pytest.mark.parametrize("agents", [(), ("schema",), ("query",), ("schema", "query")])
async def test_a_new_run_sends_out_the_wanted_agents_or_all(agents: Any) -> None:
    command = await supervise(State(product="sales", thread_id="t1", agents=agents), RUNTIME)
    assert [send.node for send in command.goto] == list(agents or AGENTS)
    assert command.update == {"agents": agents or AGENTS, "phase": "found"}


async def test_what_is_open_is_asked_and_then_the_run_ends() -> None:
    asked = State(product="sales", thread_id="t1", phase="offered", offered=("p1",))
    assert (await supervise(asked, RUNTIME)).goto == "approve"
    settled = State(**asked, settled={"p1": "reject"})
    assert (await supervise(settled, RUNTIME)).goto == "__end__"


@pytest.mark.parametrize("agent", [schema, query])
async def test_an_agent_reports_its_ideas_and_keeps_what_the_contract_refuses(agent: Any) -> None:
    (idea,) = make_candidates(1, agent=agent.__name__)
    refused, records = make_trial("refused"), MemoryRecords()
    product = FakeProduct(idea)
    product.refused = (refused,)
    state = State(product="sales", thread_id="t1")
    update = await agent(state, make_runtime(product, records))
    key = refused.candidate.id
    assert update["candidates"] == {idea.id: idea}
    assert update["verdicts"] == {key: Verdicted(candidate_id=key, status="refused")}
    assert records.trials("t1") == [refused]
    assert product.calls == [("find", agent.__name__)]
