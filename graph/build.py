"""The one graph: who comes after whom."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.observing import observed_node
from nodes.apply import apply
from nodes.approve import approve
from nodes.context import Context
from nodes.gate import gate
from nodes.measure import measure
from nodes.query import query
from nodes.rank import rank
from nodes.report import report
from nodes.rollback import rollback
from nodes.schema import schema
from nodes.state import State
from nodes.supervise import supervise
from nodes.verify import verify

Steward = CompiledStateGraph[State, Context, State, State]
NODES = (
    supervise, schema, query, measure, gate, rank, approve, apply, verify, rollback, report,
)  # fmt: skip


def build_graph(checkpointer: BaseCheckpointSaver[Any] | None = None) -> Steward:
    """Return the steward graph; without a checkpointer it can be drawn but not interrupted."""
    builder = StateGraph(State, context_schema=Context)
    for node in NODES:
        builder.add_node(node.__name__, observed_node(node))
    builder.add_edge(START, "supervise")
    for agent in ("schema", "query"):
        builder.add_edge(agent, "measure")
    for before, after in (
        ("measure", "gate"),
        ("gate", "rank"),
        ("rank", "report"),
        ("apply", "verify"),
        ("report", "supervise"),
    ):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=checkpointer, name="steward")
