"""Take back what made the live product slower, or broke a query of it."""

from __future__ import annotations

from collections.abc import Awaitable

from langgraph.runtime import Runtime
from langgraph.types import Command

from mcp_servers.product.contract import Applied
from mcp_servers.product.errors import SERVER_ENDED, NotNow, ServerEnded, ToolFailed
from nodes.context import Context
from nodes.endings import bounded, standing
from nodes.progress import telling
from nodes.state import AfterChange, State, after_change
from tools.messages import Outcome

KEPT = "It is a loss on live: the next command, or the service, rolls it back when it can."
SLOWER = "it is slower on live than policy lets it be"
"""Of a run whose checkpoint does not say why."""


async def rollback(state: State, runtime: Runtime[Context]) -> Command[AfterChange]:
    """Undo every regressed change; undoing twice is undoing once.

    Raises `NotNow` while another program holds the product or its disk is full.
    """
    context = runtime.context
    done = set(state.get("rolled_back", ()))
    pending = [p for p in state.get("regressed", ()) if p not in done]
    for proposal_id in pending:
        loss = state.get("losses", {}).get(proposal_id, SLOWER)
        call = context.client.undo_change(
            proposal_id, telling(runtime, "rollback"), rolled_back=True
        )
        step = f"rollback {proposal_id}"
        undoing = bounded(context, state["thread_id"], step, call)
        outcome = await _roll_back(context, proposal_id, loss, undoing)
        context.records.record_outcome(outcome, "agent:rollback")
    return Command(goto=after_change(state), update={"rolled_back": tuple(pending)})


async def _roll_back(
    context: Context, proposal_id: str, loss: str, undoing: Awaitable[Applied]
) -> Outcome:
    """Return what became of the change."""
    gone = Outcome(proposal_id=proposal_id, status="rolled_back", detail=f"rolled back: {loss}")
    try:
        await undoing
    except ToolFailed as failure:
        NotNow.unless_lasting(failure, KEPT)
        if failure.code == SERVER_ENDED and await _is_gone(context, proposal_id):
            return gone
        detail = f"it could not be rolled back and is still in place ({loss}): {failure.message}"
        return Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
    return gone


async def _is_gone(context: Context, proposal_id: str) -> bool:
    """Ask the product whether a change was taken back before its server ended."""
    try:
        made = await standing(context, proposal_id)
    except ServerEnded:
        return False
    return made is not None and made.status != "applied"
