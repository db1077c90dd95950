"""Prove the gain on the live product."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from mcp_servers.product.contract import LiveCheck
from mcp_servers.product.errors import NotNow, ToolFailed
from nodes.context import Context
from nodes.endings import bounded
from nodes.progress import telling
from nodes.state import State, after_change
from tools.messages import Outcome
from tools.numbers import between

KEPT = "The change is in place: the next command, or the service, times it on live when it can."


async def verify(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["rollback", "apply", "measure", "report"]]:
    """Time the applied change on live; a clear regression, or what breaks a query, goes to
    rollback.

    Raises `NotNow` while another program holds the product or its disk is full.
    """
    context = runtime.context
    seen = {*state.get("verified", ()), *state.get("regressed", ())}
    verified: list[str] = []
    regressed: dict[str, str] = {}
    for proposal_id in (p for p in state.get("applied", ()) if p not in seen):
        runtime.stream_writer({"kind": "progress", "node": "verify", "message": proposal_id})
        call = context.client.verify_change(
            proposal_id, telling(runtime, "verify"), floor=context.policy.rollback_below
        )
        step = f"verify {proposal_id}"
        found = await _verify_one(
            context, proposal_id, bounded(context, state["thread_id"], step, call)
        )
        if isinstance(found, str):
            regressed[proposal_id] = found
            continue
        context.records.record_outcome(found, "agent:verify")
        verified.append(proposal_id)
    update = {"verified": tuple(verified), "regressed": tuple(regressed), "losses": regressed}
    if regressed:
        return Command(goto="rollback", update=update)
    return Command(goto=after_change(state), update=update)


async def _verify_one(
    context: Context, proposal_id: str, checking: Awaitable[LiveCheck]
) -> Outcome | str:
    """Return the outcome, or why the change has to be rolled back."""
    floor = context.policy.rollback_below
    try:
        check = await checking
    except ToolFailed as failure:
        NotNow.unless_lasting(failure, KEPT)
        detail = f"it is in place, but could not be timed on live: {failure.message}"
        return Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
    if check.broken:
        return check.broken
    if check.ratio is not None and check.ratio.high < floor:
        return f"the live queries fell below ×{floor:g} of their speed before"
    # Without a query that was slow or failed, a ratio is no gain.
    ratio = None if check.untold else check.ratio
    told = Outcome(proposal_id=proposal_id, status="verified", detail=check.detail, ratio=ratio)
    doubt = _doubt(check, floor)
    if doubt is None:
        return told
    detail = f"it is in place, but not proven: {doubt}"
    return told.model_copy(update={"status": "unproven", "detail": detail})


def _doubt(check: LiveCheck, floor: float) -> str | None:
    """Return why the times do not prove a change; None where they do."""
    if check.untold:
        return f"{check.detail}; {check.untold}"
    if check.ratio is None:
        return check.detail
    if check.ratio.low >= floor:
        return None
    return (
        f"{check.detail}, and {between(check.ratio)} says neither that it is above ×{floor:g}"
        " nor below"
    )
