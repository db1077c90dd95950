"""Progress of a node that looks for ideas; the others' is tested with what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from mcp_servers.product.client import Progress
from nodes.progress import telling
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


async def test_a_client_opened_before_the_run_has_its_progress_told_too() -> None:
    asked: asyncio.Queue[Progress] = asyncio.Queue()
    told = asyncio.Event()

    async def hear() -> None:
        try:
            await (await asked.get())(1, 2, "halfway")
        finally:
            told.set()

    async def node(state: State, runtime: Runtime) -> dict[str, Any]:
        await asked.put(telling(runtime, "schema"))
        await told.wait()
        return {}

    graph = StateGraph(State)
    graph.add_node("schema", node)
    graph.add_edge(START, "schema")
    hearing = asyncio.create_task(hear())
    start: Any = {"product": "sales", "thread_id": "t1"}
    events = [e async for e in graph.compile().astream(start, stream_mode="custom")]
    await hearing
    assert [(e["node"], e["done"], e["message"]) for e in events] == [("schema", 1, "halfway")]
