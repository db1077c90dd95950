"""Small graphs that exercise the client's whole surface."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Send, interrupt
from pydantic import BaseModel


class Count(TypedDict, total=False):
    steps: Annotated[list[str], operator.add]
    left: int
    pause: float
    fail: bool


async def step(state: Count) -> dict[str, Any]:
    if state.get("fail"):
        raise ValueError("secret-word")
    await asyncio.sleep(state.get("pause", 0))
    left = state.get("left", 1) - 1
    return {"steps": [f"step {left}"], "left": left}


def counter(saver: Any, store: Any) -> Any:
    """Takes as many steps as it is told, each as slow as it is told."""
    graph = StateGraph(Count)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda s: "step" if s["left"] > 0 else END)
    return graph.compile(checkpointer=saver, store=store)


class Reply(BaseModel):
    ok: bool
    note: str = ""


class Asking(TypedDict, total=False):
    names: list[str]
    answers: Annotated[dict[str, Any], operator.or_]
    name: str


def ask(state: Asking) -> dict[str, Any]:
    given = interrupt({"question": state["name"]}, response_schema=Reply)
    return {"answers": {state["name"]: given.model_dump()}}


def asker(saver: Any, store: Any) -> Any:
    """Asks one question a name, all at once."""
    graph = StateGraph(Asking)
    graph.add_node("ask", ask)
    graph.add_conditional_edges(START, lambda s: [Send("ask", {"name": n}) for n in s["names"]])
    return graph.compile(checkpointer=saver, store=store)


class Talk(TypedDict):
    messages: Annotated[list[BaseMessage], add_messages]


async def answer(state: Talk) -> dict[str, Any]:
    model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


def talker(saver: Any, store: Any) -> Any:
    """Answers from a subgraph, word by word."""
    inner = StateGraph(Talk)
    inner.add_node("answer", answer)
    inner.add_edge(START, "answer")
    graph = StateGraph(Talk)
    graph.add_node("inner", inner.compile())
    graph.add_edge(START, "inner")
    return graph.compile(checkpointer=saver, store=store)


@tool
def adder(a: int, b: int) -> int:
    """Add."""
    get_stream_writer()({"name": "sum", "payload": {"of": [a, b]}})
    return a + b


async def call(state: Talk) -> dict[str, Any]:
    get_stream_writer()({"kind": "progress"})
    calls: Any = [{"name": "adder", "args": {"a": 1, "b": 2}, "id": "call 1"}]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def tooled(saver: Any, store: Any) -> Any:
    """Calls a tool that tells of itself, then answers."""
    graph = StateGraph(Talk)
    graph.add_node("call", call)
    graph.add_node("tools", ToolNode([adder]))
    graph.add_node("answer", answer)
    graph.add_edge(START, "call")
    graph.add_edge("call", "tools")
    graph.add_edge("tools", "answer")
    return graph.compile(checkpointer=saver, store=store)


GRAPHS = {"tooled": tooled, "counter": counter, "asker": asker, "talker": talker}
