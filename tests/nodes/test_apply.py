"""Applying: one change at a time, each outcome recorded, a replay does nothing new."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.runtime import Runtime

from mcp_servers.product.errors import NotNow, ServerGone
from nodes.apply import apply
from nodes.state import State
from tests.factories import make_decision, make_evidence, make_proposal, make_timing
from tests.fakes import (
    FakeProduct,
    MemoryRecords,
    failure,
    make_candidates,
    make_context,
    make_runtime,
)

PROPOSALS = [make_proposal(c.change, product="sales") for c in make_candidates(3)]
IDS = tuple(p.id for p in PROPOSALS)


def make_records() -> MemoryRecords:
    records = MemoryRecords()
    records.offered = {p.id: p for p in PROPOSALS}
    return records


def make_state(settled: dict[str, Any], **fields: Any) -> State:
    return State(product="sales", thread_id="t1", offered=IDS, settled=settled, **fields)


async def test_the_best_approved_change_is_applied_and_nothing_else() -> None:
    product, records = FakeProduct(), make_records()
    state = make_state({IDS[0]: "reject", IDS[1]: "approve", IDS[2]: "approve"})
    update = await apply(state, make_runtime(product, records))
    assert product.asked("apply") == [IDS[1]]
    assert update == {"handled": (IDS[1],), "applied": (IDS[1],)}
    assert [(o.proposal_id, o.status) for o in records.outcomes] == [(IDS[1], "applied")]


async def test_nothing_is_applied_without_an_approval() -> None:
    product, records = FakeProduct(), make_records()
    state = make_state({IDS[0]: "reject", IDS[1]: "edit", IDS[2]: "expire"})
    assert await apply(state, make_runtime(product, records)) == {}
    assert (product.calls, records.writes) == ([], 0)


@pytest.mark.parametrize(
    ("code", "status"),
    [("schema_drift", "expired"), ("refused", "failed")],
)
async def test_a_refusal_of_the_product_is_an_outcome(code: str, status: str) -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", IDS[0]] = failure(code)
    update = await apply(make_state({IDS[0]: "approve"}), make_runtime(product, records))
    assert update == {"handled": (IDS[0],)}
    assert [(o.status, o.detail) for o in records.outcomes] == [
        (status, f"the product said {code}")
    ]


@pytest.mark.parametrize("code", ["database_locked", "disk_full"])
async def test_what_passes_keeps_the_answer(code: str) -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", IDS[0]] = failure(code)
    state, runtime = make_state({IDS[0]: "approve"}), make_runtime(product, records)
    with pytest.raises(NotNow, match=f"said {code} The answer is kept"):
        await apply(state, runtime)
    assert records.outcomes == []
    product.failing.clear()
    assert await apply(state, runtime) == {"handled": (IDS[0],), "applied": (IDS[0],)}


async def test_what_failed_once_is_not_tried_again_with_a_later_answer() -> None:
    product, records = FakeProduct(), make_records()
    state = make_state({IDS[0]: "approve", IDS[1]: "approve"}, handled=(IDS[0],))
    await apply(state, make_runtime(product, records))
    assert product.asked("apply") == [IDS[1]]


async def test_a_replay_asks_the_product_again_and_records_nothing_new() -> None:
    product, records = FakeProduct(), make_records()
    state, runtime = make_state({IDS[0]: "approve"}), make_runtime(product, records)
    assert await apply(state, runtime) == await apply(state, runtime)
    assert len(records.outcomes) == 1


async def test_a_dead_server_leaves_no_outcome() -> None:
    product, records = FakeProduct(), make_records()
    product.failing["apply", IDS[0]] = ServerGone("gone")
    with pytest.raises(ServerGone):
        await apply(make_state({IDS[0]: "approve"}), make_runtime(product, records))
    assert records.outcomes == []


async def test_the_queries_to_time_are_those_that_ran_heaviest_first() -> None:
    queries = (
        make_timing("SELECT 1", share=0.1),
        make_timing("SELECT 2", share=0.6),
        make_timing("SELECT 3", share=0.3, error="timeout"),
    )
    product, records = FakeProduct(), make_records()
    evidence = make_evidence(queries=queries)
    records.offered[IDS[0]] = PROPOSALS[0].model_copy(update={"evidence": evidence})
    await apply(make_state({IDS[0]: "approve"}), make_runtime(product, records))
    (request,) = product.requests
    assert request.queries == ("SELECT 2", "SELECT 1")
    assert request.approval == "t1" and request.approved_at is None
    assert (request.schema_hash, request.change) == ("5ca1ab1e", PROPOSALS[0].change)


async def test_each_query_goes_with_how_often_it_counted_when_it_was_measured() -> None:
    often = make_timing("SELECT 1", share=0.9, runs=1000)
    no_more = make_timing("SELECT 2", share=0.0, runs=50)
    product, records = FakeProduct(), make_records()
    evidence = make_evidence(queries=(often, no_more))
    records.offered[IDS[0]] = PROPOSALS[0].model_copy(update={"evidence": evidence})
    await apply(make_state({IDS[0]: "approve"}), make_runtime(product, records))
    found = {w.fingerprint: (w.sql, w.weight) for w in product.requests[0].weights}
    assert found == {
        often.fingerprint: ("SELECT 1", 1000), no_more.fingerprint: ("SELECT 2", 0),
    }  # fmt: skip


async def test_what_the_product_does_meanwhile_is_told() -> None:
    events: list[Any] = []
    context = make_context(FakeProduct(), make_records())
    runtime = Runtime(context=context, stream_writer=events.append)
    await apply(make_state({IDS[0]: "approve"}), runtime)
    assert events[1:] == [
        {"kind": "progress", "node": "apply", "done": 0, "total": 5, "message": "timing before"}
    ]


async def test_the_product_is_told_when_a_change_was_approved() -> None:
    product, records = FakeProduct(), make_records()
    records.answers["t1", IDS[0]] = make_decision(IDS[0])
    await apply(make_state({IDS[0]: "approve"}), make_runtime(product, records))
    (request,) = product.requests
    assert request.approved_at == records.answers["t1", IDS[0]].decided_at
