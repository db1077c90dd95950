"""The query agent: rewrites and summary tables for the heaviest queries."""

from __future__ import annotations

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.endings import bounded
from nodes.progress import telling
from nodes.state import State, Update, Verdicted


async def query(state: State, runtime: Runtime[Context]) -> Update:
    """Find faster ways to answer the same questions."""
    context = runtime.context
    call = context.client.find_candidates("query", telling(runtime, "query"))
    found = await bounded(context, state["thread_id"], "query", call)
    context.records.record_trials(state["thread_id"], context.product, found.refused)
    return {
        "candidates": {c.id: c for c in found.candidates},
        "verdicts": {
            t.candidate.id: Verdicted(candidate_id=t.candidate.id, status=t.status)
            for t in found.refused
        },
        "notes": found.notes,
    }
