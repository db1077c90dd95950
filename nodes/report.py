"""Keep what the report needs; surfaces draw it."""

from __future__ import annotations

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.state import State, Update


async def report(state: State, runtime: Runtime[Context]) -> Update:
    """Store the run's totals and notes beside the ledger's own rows."""
    total = state.get("total")
    runtime.context.records.save_report(
        state["thread_id"],
        {
            "total": total.model_dump() if total else None,
            "queries": state.get("queries", 0),
            "notes": list(state.get("notes", ())),
            "offered": list(state.get("offered", ())),
        },
    )
    return {}
