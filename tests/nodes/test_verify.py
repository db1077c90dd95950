"""Proof on live: a clear regression is rolled back, everything else is recorded."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.runtime import Runtime

from mcp_servers.product.errors import NotNow
from nodes.state import State
from nodes.verify import verify
from tests.factories import make_interval
from tests.fakes import FakeProduct, MemoryRecords, failure, make_context, make_runtime
from tools.messages import Interval


async def verified(product: FakeProduct, records: MemoryRecords, **fields: Any) -> Any:
    state = State(product="sales", thread_id="t1", **{"applied": ("p1",), **fields})
    return await verify(state, make_runtime(product, records))


async def test_a_gain_on_live_is_recorded_with_its_number() -> None:
    records = MemoryRecords()
    command = await verified(FakeProduct(), records)
    assert command.goto == "report"
    assert command.update == {"verified": ("p1",), "regressed": (), "losses": {}}
    (outcome,) = records.outcomes
    assert (outcome.status, outcome.ratio) == ("verified", make_interval(2.0))


@pytest.mark.parametrize(
    ("ratio", "becomes"),
    [
        (Interval(low=0.5, mid=0.8, high=0.89), None),
        (Interval(low=0.5, mid=0.8, high=0.9), "unproven"),
        (Interval(low=0.26, mid=0.43, high=1.21), "unproven"),
        (Interval(low=0.9, mid=0.95, high=0.99), "verified"),
        (None, "unproven"),
    ],
)
async def test_only_a_regression_that_is_certain_goes_to_rollback(
    ratio: Interval | None, becomes: str | None
) -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.live["p1"] = ratio
    command = await verified(product, records)
    assert command.goto == ("report" if becomes else "rollback")
    assert [o.status for o in records.outcomes] == ([becomes] if becomes else [])


async def test_what_is_not_proven_says_so_with_its_interval() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.live["p1"] = Interval(low=0.26, mid=0.43, high=1.21)
    await verified(product, records)
    (outcome,) = records.outcomes
    assert outcome.detail == (
        "it is in place, but not proven: timed on live, and 0.26–1.21 says neither that it is"
        " above ×0.9 nor below"
    )
    assert outcome.ratio == product.live["p1"]


@pytest.mark.parametrize("ratio", [None, make_interval(2.0), make_interval(0.5)])
async def test_what_breaks_a_query_goes_to_rollback_whatever_it_gains(
    ratio: Interval | None,
) -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.live["p1"], product.broken["p1"] = ratio, "SELECT 1 fails with it"
    command = await verified(product, records)
    assert (command.goto, records.outcomes) == ("rollback", [])
    assert command.update["losses"] == {"p1": "SELECT 1 fails with it"}


@pytest.mark.parametrize(
    ("ratio", "goes"),
    [(None, "report"), (make_interval(2.0), "report"), (make_interval(0.5), "rollback")],
)
async def test_what_cannot_be_timed_any_more_leaves_a_gain_unproven_but_no_loss(
    ratio: Interval | None, goes: str
) -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.live["p1"], product.untold["p1"] = ratio, "SELECT 1 fails now"
    command = await verified(product, records)
    assert command.goto == goes
    detail = "it is in place, but not proven: timed on live; SELECT 1 fails now"
    told = [("unproven", detail, None)] if goes == "report" else []
    assert [(o.status, o.detail, o.ratio) for o in records.outcomes] == told


async def test_a_proof_that_cannot_be_made_is_said_and_does_not_stop_the_run() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.failing["verify", "p1"] = failure("query_failed")
    command = await verified(product, records)
    assert (command.goto, command.update["verified"]) == ("report", ("p1",))
    assert [(o.status, o.detail) for o in records.outcomes] == [
        (
            "unproven",
            "it is in place, but could not be timed on live: the product said query_failed",
        )
    ]


async def test_what_passes_leaves_the_proof_to_the_next_try() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.failing["verify", "p1"] = failure("database_locked")
    with pytest.raises(NotNow, match="said database_locked The change is in place"):
        await verified(product, records)
    assert records.outcomes == []


async def test_what_was_looked_at_is_not_looked_at_again() -> None:
    product = FakeProduct()
    fields = {"applied": ("p1", "p2", "p3"), "verified": ("p1",), "regressed": ("p2",)}
    await verified(product, MemoryRecords(), **fields)
    assert product.asked("verify") == ["p3"]


async def test_the_next_approved_change_follows() -> None:
    settled = {"p1": "approve", "p2": "approve"}
    fields = {"offered": ("p1", "p2"), "settled": settled, "handled": ("p1",)}
    assert (await verified(FakeProduct(), MemoryRecords(), **fields)).goto == "apply"


async def test_what_the_product_does_meanwhile_is_told() -> None:
    events: list[Any] = []
    context = make_context(FakeProduct(), MemoryRecords())
    runtime = Runtime(context=context, stream_writer=events.append)
    await verify(State(product="sales", thread_id="t1", applied=("p1",)), runtime)
    assert events[-1:] == [
        {"kind": "progress", "node": "verify", "done": 0, "total": 8, "message": "timing after"}
    ]
