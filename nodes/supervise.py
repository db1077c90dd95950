"""The supervisor: turns a request into a plan and is the only place that knows the order."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from nodes.context import Context
from nodes.state import State, Update, open_questions
from tools.messages import AgentName

AGENTS: tuple[AgentName, ...] = ("schema", "query")


async def supervise(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["schema", "query", "approve", "__end__"]]:
    """Send the planned agents out, ask what is still open, or end."""
    if state.get("phase", "new") == "new":
        agents = state.get("agents") or AGENTS
        update: Update = {"agents": agents, "phase": "found"}
        return Command(goto=[Send(a, state) for a in agents], update=update)
    if open_questions(state):
        return Command(goto="approve")
    return Command(goto="__end__")
