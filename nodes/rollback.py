"""Take back what made the live product slower, or broke a query of it."""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import Command

from mcp_servers.product.errors import NotNow, ToolFailed
from nodes.context import Context
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
        try:
            await context.client.undo_change(
                proposal_id, telling(runtime, "rollback"), rolled_back=True
            )
            detail = f"rolled back: {loss}"
            outcome = Outcome(proposal_id=proposal_id, status="rolled_back", detail=detail)
        except ToolFailed as failure:
            NotNow.unless_lasting(failure, KEPT)
            detail = (
                f"it could not be rolled back and is still in place ({loss}): {failure.message}"
            )
            outcome = Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
        context.records.record_outcome(outcome, "agent:rollback")
    return Command(goto=after_change(state), update={"rolled_back": tuple(pending)})
