"""Measure every idea of the step together, because they interact."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.progress import telling
from nodes.state import State, Update, Verdicted
from tools.ideas import idea_key
from tools.messages import Candidate


async def measure(state: State, runtime: Runtime[Context]) -> Update:
    """Try on a shadow copy what has no verdict yet; losers are kept with their number."""
    context = runtime.context
    verdicts = state.get("verdicts", {})
    pending = [c for i, c in state.get("candidates", {}).items() if i not in verdicts]
    if not pending:
        return {}
    asked = tuple(_asked(pending, context, state.get("edited", ())))
    measured = await context.client.measure_candidates(
        asked, context.policy.limits, telling(runtime, "measure")
    )
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


def _asked(
    pending: Sequence[Candidate], context: Context, edited: Collection[str]
) -> Iterator[Candidate]:
    """Yield what to measure; what a person refused is not to stand below anything else."""
    refused = context.records.refusals(context.product)
    for candidate in pending:
        aside = idea_key(candidate.change) in refused and candidate.id not in edited
        yield candidate.model_copy(update={"aside": aside})
