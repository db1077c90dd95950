"""Progress of a node that looks for ideas; the others' is tested with what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.runtime import Runtime

from nodes.query import query
from nodes.schema import schema
from nodes.state import State
from tests.fakes import FakeProduct, MemoryRecords, make_context


@pytest.mark.parametrize("look", [schema, query], ids=lambda look: look.__name__)
async def test_where_an_agent_looks_is_told(look: Callable[..., Any]) -> None:
    events: list[Any] = []
    context = make_context(FakeProduct(), MemoryRecords())
    runtime = Runtime(context=context, stream_writer=events.append)
    await look(State(product="sales", thread_id="t1"), runtime)
    assert [(e["kind"], e["node"], e["done"], e["total"], e["message"]) for e in events] == [
        ("progress", look.__name__, 0, 1, f"looking for {look.__name__}")
    ]
