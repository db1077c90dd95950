"""The gates: memory and policy decide which measured ideas may cost a person time."""

from __future__ import annotations

from langgraph.runtime import Runtime

from nodes.context import Context
from nodes.refusal import Refusal
from nodes.saving import Saving, saves_otherwise
from nodes.state import Passed, State, Update, Verdicted
from tools.ideas import idea_key
from tools.messages import Evidence, Interval, Trial

LOST = ("rejected", "unmeasured")


async def gate(state: State, runtime: Runtime[Context]) -> Update:
    """Let pass what won its measurement and is not a repeat of something refused."""
    context = runtime.context
    refusals = context.records.refusals(context.product)
    seen = set(state.get("offered", ()))
    passed: dict[str, Passed] = {}
    held: list[Trial] = []
    for trial in context.records.trials(state["thread_id"]):
        key = trial.candidate.id
        refusal = refusals.get(idea_key(trial.candidate.change))
        if key in seen:
            continue
        if trial.status != "accepted" or trial.evidence is None:
            if refusal is not None and trial.candidate.aside and trial.status in LOST:
                held.append(_suppressed(trial, refusal, f"beside what is offered, {trial.reason}"))
            continue
        if refusal is None or key in state.get("edited", ()):
            passed[key] = Passed(candidate_id=key)
            continue
        news = what_changed(refusal, trial.evidence, context.policy.changed_evidence)
        if news is None:
            held.append(_suppressed(trial, refusal, "its evidence is the same"))
        else:
            passed[key] = Passed(candidate_id=key, changed_since=news)
    context.records.record_trials(state["thread_id"], context.product, held)
    return {
        "passed": passed,
        "verdicts": {
            t.candidate.id: Verdicted(candidate_id=t.candidate.id, status="suppressed")
            for t in held
        },
    }


def what_changed(refusal: Refusal, evidence: Evidence, threshold: float) -> str | None:
    """Return what is materially different since a refusal, or None.

    What the change saves on its own queries counts. The workload's gain only where no query was
    timed: it grows when something else is made faster, though the change saves the same.
    """
    before, after = Saving.of(refusal.proposal.evidence), Saving.of(evidence)
    if before is None or after is None:
        news = _gains_otherwise(refusal.proposal.evidence.ratio, evidence.ratio, threshold)
    else:
        news = saves_otherwise(before, after, threshold)
    if news is None:
        return None
    return f"{refusal.told[0].upper()}{refusal.told[1:]}. {news}"


def _gains_otherwise(before: Interval, after: Interval, threshold: float) -> str | None:
    """Compare gains as time saved, ratio - 1: ×1.1 against ×1.2 is twice the saving."""
    old, new = before.mid - 1, after.mid - 1
    apart = after.low > before.high or after.high < before.low
    if apart and abs(new - old) > threshold * max(abs(old), 0.01):
        return f"It measured ×{before.mid:.2f} then and measures ×{after.mid:.2f} now."
    return None


def _suppressed(trial: Trial, refusal: Refusal, why: str) -> Trial:
    reason = f"{refusal.told}, and {why}"
    return trial.model_copy(update={"status": "suppressed", "reason": reason})
