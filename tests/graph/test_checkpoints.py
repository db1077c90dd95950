"""Checkpoints: only listed types come back, all that the state holds do, and they stay small."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.build import build_graph
from graph.checkpoints import ALLOWED, build_serializer, open_checkpoints
from nodes.state import Passed, State, Verdicted
from tests.fakes import FakeProduct, MemoryRecords, make_candidates, make_context
from tests.strategies import of
from tools.messages import Candidate, Interval, Message, Rehearsal

CONFIG: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 1000}
LARGEST = 50_000
"""Bytes of one checkpoint of a run with 60 ideas; their evidence alone would be 117,000."""


def messages_in(kind: Any) -> set[type[Message]]:
    """Return every message class that a value of this type may hold."""
    if isinstance(kind, type) and issubclass(kind, Message):
        fields = kind.model_fields.values()
        return {kind}.union(*(messages_in(f.annotation) for f in fields))
    return set().union(*map(messages_in, get_args(kind)))


IN_STATE = set().union(*map(messages_in, get_type_hints(State, include_extras=True).values()))


def test_the_list_names_exactly_what_the_state_can_hold() -> None:
    assert {(c.__module__, c.__name__) for c in IN_STATE} == set(ALLOWED)


@pytest.mark.parametrize("kind", sorted(IN_STATE, key=lambda c: c.__name__))
@settings(max_examples=15)
@given(data=st.data())
def test_every_type_of_the_state_comes_back(kind: type[Message], data: st.DataObject) -> None:
    value = data.draw(of(kind))
    serde = build_serializer()
    assert serde.loads_typed(serde.dumps_typed({"value": value})) == {"value": value}


def test_a_type_that_is_not_listed_is_not_revived() -> None:
    serde = build_serializer()
    value = Rehearsal(ok=True, apply_ms=1, undo_ms=1, detail="")
    assert ("tools.messages", "Rehearsal") not in ALLOWED
    assert not isinstance(serde.loads_typed(serde.dumps_typed(value)), Rehearsal)


def test_importing_the_graph_makes_langgraph_strict() -> None:
    code = (
        "import graph.checkpoints\n"
        "from langgraph.checkpoint.serde._msgpack import STRICT_MSGPACK_ENABLED as strict\n"
        "assert strict"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()


async def test_checkpoints_of_a_run_with_many_ideas_stay_small(tmp_path: Path) -> None:
    records = MemoryRecords()
    context = make_context(FakeProduct(*make_candidates(60)), records)
    start: Any = {"product": "sales", "thread_id": "t1"}
    async with open_checkpoints(tmp_path / "deep" / "checkpoints.db") as saver:
        await build_graph(saver).ainvoke(start, CONFIG, context=context)
        async with saver.conn.execute("SELECT max(length(checkpoint)) FROM checkpoints") as found:
            row = await found.fetchone()
    assert len(records.offered) == 60
    assert row is not None and 0 < row[0] < LARGEST


async def test_a_question_survives_its_process(tmp_path: Path) -> None:
    records, product = MemoryRecords(), FakeProduct(*make_candidates(1))
    context = make_context(product, records)
    start: Any = {"product": "sales", "thread_id": "t1"}
    async with open_checkpoints(tmp_path / "checkpoints.db") as saver:
        await build_graph(saver).ainvoke(start, CONFIG, context=context)
    async with open_checkpoints(tmp_path / "checkpoints.db") as saver:
        snapshot = await build_graph(saver).aget_state(CONFIG)
    (candidate,) = snapshot.values["candidates"].values()
    assert isinstance(candidate, Candidate) and candidate == product.candidates[0]
    assert snapshot.values["passed"] == {candidate.id: Passed(candidate_id=candidate.id)}
    verdict = snapshot.values["verdicts"][candidate.id]
    assert isinstance(verdict, Verdicted) and isinstance(verdict.ratio, Interval)
    assert snapshot.interrupts[0].value["proposals"][0]["id"] == candidate.id


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_a_command_stopped_while_it_opens_them_ends_without_a_complaint(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    before = set(threading.enumerate())

    async def opens() -> None:
        async with open_checkpoints(tmp_path / "checkpoints.db"):
            await asyncio.sleep(60)

    async def stopped() -> None:
        opening = asyncio.create_task(opens())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await opening

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert complaints == []
