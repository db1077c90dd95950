"""Edits of which nothing could come: the questions that they answered are open again."""

from __future__ import annotations

from collections.abc import Iterator

from nodes.context import Context
from nodes.state import State
from tools.ideas import UNTRIED
from tools.messages import Decision, change_id


def reopened(state: State, context: Context) -> tuple[str, ...]:
    """Offer again what was edited into something that could not be tried."""
    return tuple(_reopened(state, context))


def _reopened(state: State, context: Context) -> Iterator[str]:
    thread_id, settled = state["thread_id"], state.get("settled", {})
    edits = [p for p, verdict in settled.items() if verdict == "edit"]
    status = {t.candidate.id: t.status for t in context.records.trials(thread_id)} if edits else {}
    for proposal_id in edits:
        edited = _edit(context, context.records.decision(thread_id, proposal_id))
        # Without an edit, a crash came after it was offered again.
        if edited is None or (
            status.get(edited) in UNTRIED
            and context.records.offer_again(thread_id, proposal_id, "agent:report")
        ):
            yield proposal_id


def _edit(context: Context, decision: Decision | None) -> str | None:
    if decision is None or decision.edited is None:
        return None
    return change_id(context.product, decision.edited)
