"""Keep what the report needs; surfaces draw it."""

from __future__ import annotations

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.reopening import reopened
from nodes.state import State, Update


async def report(state: State, runtime: Runtime[Context]) -> Update:
    """Store the run's totals and notes beside the ledger's own rows; open again what was edited in
    vain.

    Among the notes are the statements that could not be measured, which are told apart, too.
    """
    again = reopened(state, runtime.context)
    total, unmeasured = state.get("total"), state.get("unmeasured")
    told = {} if unmeasured is None else {"unmeasured": list(unmeasured)}
    runtime.context.records.save_report(
        state["thread_id"],
        {
            "total": total.model_dump() if total else None,
            "queries": state.get("queries", 0),
            "notes": [*state.get("notes", ()), *(unmeasured or ())],
            **told,
            "offered": list(state.get("offered", ())),
        },
    )
    return {"settled": dict.fromkeys(again)} if again else {}
