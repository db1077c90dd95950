"""Apply one approved change: the product's own ledger row makes a replay harmless."""

from __future__ import annotations

from langgraph.runtime import Runtime

from mcp_servers.product.client import Progress
from mcp_servers.product.contract import ApplyRequest, QueryWeight
from mcp_servers.product.errors import SERVER_ENDED, NotNow, ServerEnded, ToolFailed
from nodes.context import Context
from nodes.endings import bounded, standing
from nodes.progress import telling
from nodes.state import State, Update, unapplied
from tools.messages import Outcome, QueryTiming
from tools.outcome_status import OutcomeStatus

KEPT = "The answer is kept: the next command, or the service, makes the change when it can."


async def apply(state: State, runtime: Runtime[Context]) -> Update:
    """Hand the next approved change, in rank order, to the owner; a drifted schema expires it.

    One at a time, so that each is verified before another can blur its effect. Raises `NotNow`
    while another program holds the product or its disk is full.
    """
    context = runtime.context
    proposal_id = next(iter(unapplied(state)), None)
    if proposal_id is None:
        return {}
    runtime.stream_writer({"kind": "progress", "node": "apply", "message": proposal_id})
    outcome = await _apply_one(context, state["thread_id"], proposal_id, telling(runtime, "apply"))
    context.records.record_outcome(outcome, "agent:apply")
    if outcome.status == "applied":
        return {"handled": (proposal_id,), "applied": (proposal_id,)}
    return {"handled": (proposal_id,)}


async def _apply_one(
    context: Context, thread_id: str, proposal_id: str, progress: Progress
) -> Outcome:
    proposal = context.records.proposal(proposal_id)
    decision = context.records.decision(thread_id, proposal_id)
    slowest = sorted(proposal.evidence.queries, key=lambda q: q.share, reverse=True)
    request = ApplyRequest(
        proposal_id=proposal_id,
        change=proposal.change,
        schema_hash=proposal.schema_hash,
        queries=tuple(q.sql for q in slowest if q.error is None),
        weights=tuple(map(_weight, slowest)),
        approval=thread_id,
        approved_at=decision.decided_at if decision else None,
    )
    try:
        call = context.client.apply_change(request, progress)
        applied = await bounded(context, thread_id, f"apply {proposal_id}", call)
    except ToolFailed as failure:
        # What passes is no reason to ask the person again.
        NotNow.unless_lasting(failure, KEPT)
        if failure.code == SERVER_ENDED:
            return await _after_endings(context, request, failure.message)
        status: OutcomeStatus = "expired" if failure.code == "schema_drift" else "failed"
        return Outcome(proposal_id=proposal_id, status=status, detail=failure.message)
    return Outcome(proposal_id=proposal_id, status="applied", detail=applied.detail)


async def _after_endings(context: Context, request: ApplyRequest, told: str) -> Outcome:
    """Ask what became of a change: a server may also end after the commit."""
    proposal_id = request.proposal_id
    try:
        made = await standing(context, proposal_id)
    except ServerEnded:
        detail = f"nobody can tell whether it is in place: {told}"
        return Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
    if made is not None and made.status == "applied" and made.approval == request.approval:
        return Outcome(proposal_id=proposal_id, status="applied", detail=made.detail)
    return Outcome(proposal_id=proposal_id, status="failed", detail=told)


def _weight(query: QueryTiming) -> QueryWeight:
    # Only what was asked no more has no share of the time.
    runs = query.runs if query.share else 0
    return QueryWeight(sql=query.sql, fingerprint=query.fingerprint, weight=runs)
