"""Taking back: once each, and a failure to take back is said."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.runtime import Runtime

from mcp_servers.product.errors import NotNow
from nodes.rollback import rollback
from nodes.state import State
from tests.fakes import FakeProduct, MemoryRecords, failure, make_context, make_runtime

LOSS = "the live queries fell below ×0.9 of their speed before"


async def rolled_back(product: FakeProduct, records: MemoryRecords, **fields: Any) -> Any:
    state = State(
        product="sales", thread_id="t1", **{"regressed": ("p1",), "losses": {"p1": LOSS}, **fields}
    )
    return await rollback(state, make_runtime(product, records))


async def test_a_regressed_change_is_undone_and_says_why() -> None:
    product, records = FakeProduct(), MemoryRecords()
    command = await rolled_back(product, records)
    assert (command.goto, command.update) == ("report", {"rolled_back": ("p1",)})
    assert product.asked("undo") == ["p1"]
    (outcome,) = records.outcomes
    assert (outcome.status, outcome.detail) == ("rolled_back", f"rolled back: {LOSS}")


async def test_a_checkpoint_from_before_reasons_were_kept_can_be_gone_on_with() -> None:
    records = MemoryRecords()
    await rolled_back(FakeProduct(), records, losses={})
    assert "slower on live" in records.outcomes[0].detail


async def test_a_rollback_that_fails_is_recorded_and_not_hidden() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.failing["undo", "p1"] = failure("undo_conflict")
    command = await rolled_back(product, records, regressed=("p1", "p2"))
    assert [(o.proposal_id, o.status) for o in records.outcomes] == [
        ("p1", "unproven"), ("p2", "rolled_back"),
    ]  # fmt: skip
    assert records.outcomes[0].detail == (
        f"it could not be rolled back and is still in place ({LOSS}): the product said"
        " undo_conflict"
    )
    assert command.update["rolled_back"] == ("p1", "p2")


async def test_what_passes_leaves_the_rollback_to_the_next_try() -> None:
    product, records = FakeProduct(), MemoryRecords()
    product.failing["undo", "p1"] = failure("disk_full")
    with pytest.raises(NotNow, match="said disk_full It is a loss on live"):
        await rolled_back(product, records)
    assert records.outcomes == []


async def test_what_was_taken_back_is_not_taken_back_again() -> None:
    product = FakeProduct()
    await rolled_back(product, MemoryRecords(), regressed=("p1", "p2"), rolled_back=("p1",))
    assert product.asked("undo") == ["p2"]


async def test_a_replay_records_nothing_new() -> None:
    product, records = FakeProduct(), MemoryRecords()
    for _ in range(2):
        await rolled_back(product, records)
    assert len(records.outcomes) == 1


async def test_what_the_product_does_meanwhile_is_told() -> None:
    events: list[Any] = []
    context = make_context(FakeProduct(), MemoryRecords())
    runtime = Runtime(context=context, stream_writer=events.append)
    await rollback(State(product="sales", thread_id="t1", regressed=("p1",)), runtime)
    assert events[-1:] == [
        {"kind": "progress", "node": "rollback", "done": 0, "total": 1, "message": "taking back"}
    ]
