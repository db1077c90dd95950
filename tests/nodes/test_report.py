"""The report node: totals and notes are kept beside the ledger's own rows."""

from __future__ import annotations

import json

from nodes.report import report
from nodes.state import State, open_questions
from tests.factories import make_interval
from tests.fakes import FakeProduct, MemoryRecords, make_runtime


async def test_totals_notes_and_offers_are_kept_as_plain_json() -> None:
    records = MemoryRecords()
    state = State(
        product="sales", thread_id="t1", total=make_interval(2.0), queries=5,
        notes=("a", "b"), offered=("p1",),
    )  # fmt: skip
    assert await report(state, make_runtime(FakeProduct(), records)) == {}
    kept = json.loads(json.dumps(records.reports["t1"]))
    assert kept == {
        "total": make_interval(2.0).model_dump(), "queries": 5, "notes": ["a", "b"],
        "offered": ["p1"],
    }  # fmt: skip


async def test_statements_that_cannot_be_measured_are_notes_and_told_apart() -> None:
    records = MemoryRecords()
    state = State(product="sales", thread_id="t1", notes=("a",), unmeasured=("SELEC: no SQL",))
    await report(state, make_runtime(FakeProduct(), records))
    kept = records.reports["t1"]
    assert (kept["notes"], kept["unmeasured"]) == (["a", "SELEC: no SQL"], ["SELEC: no SQL"])


async def test_a_run_that_measured_nothing_says_so() -> None:
    records = MemoryRecords()
    await report(State(product="sales", thread_id="t1"), make_runtime(FakeProduct(), records))
    assert records.reports["t1"] == {"total": None, "queries": 0, "notes": [], "offered": []}


async def test_a_question_that_a_crash_left_open_again_is_not_taken_as_answered() -> None:
    state = State(product="sales", thread_id="t1", offered=("p1",), settled={"p1": "edit"})
    update = await report(state, make_runtime(FakeProduct(), MemoryRecords()))
    assert update == {"settled": {"p1": None}}
    assert open_questions(State({**state, **update})) == ("p1",)
