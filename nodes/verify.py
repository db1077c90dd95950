"""Prove the gain on the live product."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from mcp_servers.product.client import Progress
from mcp_servers.product.errors import NotNow, ToolFailed
from nodes.context import Context
from nodes.progress import telling
from nodes.state import State, after_change
from tools.messages import Outcome
from tools.numbers import between

KEPT = "The change is in place: the next command, or the service, times it on live when it can."


async def verify(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["rollback", "apply", "measure", "report"]]:
    """Time the applied change on live; a clear regression goes to rollback.

    Raises `NotNow` while another program holds the product or its disk is full.
    """
    context = runtime.context
    seen = {*state.get("verified", ()), *state.get("regressed", ())}
    verified: list[str] = []
    regressed: list[str] = []
    for proposal_id in (p for p in state.get("applied", ()) if p not in seen):
        runtime.stream_writer({"kind": "progress", "node": "verify", "message": proposal_id})
        outcome = await _verify_one(context, proposal_id, telling(runtime, "verify"))
        if outcome is None:
            regressed.append(proposal_id)
            continue
        context.records.record_outcome(outcome, "agent:verify")
        verified.append(proposal_id)
    update = {"verified": tuple(verified), "regressed": tuple(regressed)}
    if regressed:
        return Command(goto="rollback", update=update)
    return Command(goto=after_change(state), update=update)


async def _verify_one(context: Context, proposal_id: str, progress: Progress) -> Outcome | None:
    """Return the outcome, or None when the change has to be rolled back."""
    try:
        floor = context.policy.rollback_below
        check = await context.client.verify_change(proposal_id, progress, floor=floor)
    except ToolFailed as failure:
        NotNow.unless_lasting(failure, KEPT)
        detail = f"it is in place, but could not be timed on live: {failure.message}"
        return Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
    told = Outcome(
        proposal_id=proposal_id, status="verified", detail=check.detail, ratio=check.ratio
    )
    if check.ratio is None or check.ratio.low >= floor:
        return told
    if check.ratio.high < floor:
        return None
    detail = (
        f"it is in place, but not proven: {check.detail}, and {between(check.ratio)} says neither"
        f" that it is above ×{floor:g} nor below"
    )
    return told.model_copy(update={"status": "unproven", "detail": detail})
