"""Measure every idea of the step together, because they interact."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from langgraph.runtime import Runtime

from mcp_servers.product.errors import NotNow, ToolFailed
from nodes.context import Context
from nodes.endings import bounded
from nodes.progress import telling
from nodes.state import State, Update, Verdicted
from tools.ideas import idea_key
from tools.messages import Candidate, Trial

KEPT = "The edit is kept: the next command, or the service, measures it when it can."


async def measure(state: State, runtime: Runtime[Context]) -> Update:
    """Try on a shadow copy what has no verdict yet; losers are kept with their number."""
    context = runtime.context
    verdicts = state.get("verdicts", {})
    pending = [c for i, c in state.get("candidates", {}).items() if i not in verdicts]
    if not pending:
        return {}
    asked = tuple(_asked(pending, context, state.get("edited", ())))
    call = context.client.measure_candidates(
        asked, context.policy.limits, telling(runtime, "measure")
    )
    step = f"measure after {len(verdicts)} verdicts"
    try:
        measured = await bounded(context, state["thread_id"], step, call)
    except ToolFailed as failure:
        if not state.get("edited"):
            raise
        return _unmeasured(state, context, asked, failure)
    context.records.record_trials(state["thread_id"], context.product, measured.trials)
    update: Update = {
        "verdicts": {
            t.candidate.id: Verdicted(
                candidate_id=t.candidate.id,
                status=t.status,
                ratio=t.evidence.ratio if t.evidence else None,
            )
            for t in measured.trials
        },
        "unmeasured": measured.skipped,
    }
    if not state.get("edited"):
        update["total"] = measured.total
        update["queries"] = measured.patterns
    return update


def _unmeasured(
    state: State, context: Context, edits: Sequence[Candidate], failure: ToolFailed
) -> Update:
    """Let an edit fail alone: other questions of the run may still be open."""
    NotNow.unless_lasting(failure, KEPT)
    failed = [Trial(candidate=c, status="failed", reason=failure.message) for c in edits]
    context.records.record_trials(state["thread_id"], context.product, failed)
    return {"verdicts": {c.id: Verdicted(candidate_id=c.id, status="failed") for c in edits}}


def _asked(
    pending: Sequence[Candidate], context: Context, edited: Collection[str]
) -> Iterator[Candidate]:
    """Yield what to measure; what a person refused is not to stand below anything else."""
    refused = context.records.refusals(context.product)
    for candidate in pending:
        aside = idea_key(candidate.change) in refused and candidate.id not in edited
        yield candidate.model_copy(update={"aside": aside})
