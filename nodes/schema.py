"""The schema agent: types, order, indexes, unused and redundant structures, constraints."""

from __future__ import annotations

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.endings import bounded
from nodes.progress import telling
from nodes.state import State, Update, Verdicted


async def schema(state: State, runtime: Runtime[Context]) -> Update:
    """Find changes of the schema worth measuring."""
    context = runtime.context
    call = context.client.find_candidates("schema", telling(runtime, "schema"))
    found = await bounded(context, state["thread_id"], "schema", call)
    context.records.record_trials(state["thread_id"], context.product, found.refused)
    return {
        "candidates": {c.id: c for c in found.candidates},
        "verdicts": {
            t.candidate.id: Verdicted(candidate_id=t.candidate.id, status=t.status)
            for t in found.refused
        },
        "notes": found.notes,
    }
