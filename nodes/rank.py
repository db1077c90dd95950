"""Order what passed the gates and put it into the approval queue."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from langgraph.runtime import Runtime

from mcp_servers.product.contract import ChangeCheck
from mcp_servers.product.errors import ToolFailed
from nodes.context import Context
from nodes.state import Passed, State, Update
from tools.change_kinds import NEUTRAL
from tools.messages import (
    Evidence,
    Interval,
    Proposal,
    QueryOptimization,
    SchemaProposal,
    Trial,
    change_target,
)

CLEARLY = 1.5
"""How many times larger a certain gain must be to be offered before what was tried earlier."""
LEAST_GAIN = 0.01
"""Log of a gain below which none is told from another."""
VERBS = {
    "change_type": "Store {target} as {to}",
    "create_index": "Index {target}",
    "drop_index": "Drop the index {target}",
    "sort_table": "Keep the rows of {table} in the order of {columns}",
    "create_summary": "Keep a summary of {table} in {target}",
    "rewrite_query": "Answer {target} by an equivalent, faster text",
    "drop_column": "Drop the unused column {target}",
    "drop_table": "Drop the unused table {target}",
    "add_not_null": "Enforce NOT NULL on {target}",
    "add_check": "Enforce the contract's rule on {target}",
}


async def rank(state: State, runtime: Runtime[Context]) -> Update:
    """Offer the proposals, clearly greater gains first; contract breakers never get here."""
    context = runtime.context
    trials = {t.candidate.id: t for t in context.records.trials(state["thread_id"])}
    offered = set(state.get("offered", ()))
    chosen = [trials[i] for i in state.get("passed", {}) if i not in offered]
    proposals, broken = [], []
    for trial in ordered(chosen):
        checked = await _check(context, trial)
        if isinstance(checked, str):
            broken.append(trial.model_copy(update={"status": "refused", "reason": checked}))
        else:
            passed = state.get("passed", {})[trial.candidate.id]
            proposals.append(compose(context, trial, checked, passed))
    context.records.record_trials(state["thread_id"], context.product, broken)
    context.records.offer(state["thread_id"], proposals, "agent:rank")
    return {"offered": tuple(p.id for p in proposals), "phase": "offered"}


async def _check(context: Context, trial: Trial) -> ChangeCheck | str:
    """Return the contract's verdict on a change, or why it cannot be proposed any more."""
    try:
        check = await context.client.check_change(trial.candidate.change)
    except ToolFailed as failure:
        if failure.code in ("schema_drift", "refused"):
            return failure.message
        raise
    if check.verdict.compatible:
        return check
    paths = "; ".join(f.path for f in check.verdict.findings if f.severity == "breaking")
    return f"breaks the contract at {paths}"


def ordered(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials as they were measured, clearly greater gains moved to the front.

    Each was measured on top of those accepted before it, so in this order its numbers hold. Gains
    that are close swap places from one measurement to the next, which helps nobody.
    """
    placed: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (-t.candidate.promise, t.candidate.id)):
        at, gain = len(placed), certain_saving(trial)
        while at and gain > CLEARLY * max(certain_saving(placed[at - 1]), LEAST_GAIN):
            at -= 1
        placed.insert(at, trial)
    return placed


def certain_saving(trial: Trial) -> float:
    """Return the log of the gain's lower bound, minus what inserts lose."""
    if trial.evidence is None:
        return -math.inf
    insert = trial.evidence.insert_cost
    penalty = 0.1 * math.log(max(1.0, insert.mid)) if insert else 0.0
    return math.log(max(trial.evidence.ratio.low, 1e-9)) - penalty


def compose(context: Context, trial: Trial, check: ChangeCheck, passed: Passed) -> Proposal:
    """Build the proposal of one trial."""
    if trial.evidence is None:
        raise ValueError(f"{trial.candidate.id} was not measured")
    candidate, change = trial.candidate, trial.candidate.change
    kind = QueryOptimization if candidate.agent == "query" else SchemaProposal
    created = datetime.now(UTC)
    return kind(
        id=candidate.id,
        product=context.product,
        principal=context.principal(candidate.agent),
        summary=summarise(change, trial.evidence),
        change=change,
        undo=check.undo,
        evidence=trial.evidence,
        contract=check.verdict,
        risk=check.risks,
        schema_hash=check.schema_hash,
        created_at=created,
        expires_at=created + timedelta(days=context.policy.expires_days),
        changed_since=passed.changed_since,
    )


def summarise(change: object, evidence: Evidence) -> str:
    """Say what the change does and what it measured; every number stands in the evidence."""
    fields = {
        "target": change_target(change),
        "table": str(getattr(change, "table", "")),
        "to": getattr(change, "to_type", ""),
        "columns": ", ".join(getattr(change, "order_by", ())),
    }
    what = VERBS[getattr(change, "kind", "")].format(**fields)
    low, mid, high = evidence.ratio.low, evidence.ratio.mid, evidence.ratio.high
    if getattr(change, "kind", "") in NEUTRAL:
        pace = f"it costs nothing, the workload keeps its pace (×{low:.2f} to ×{high:.2f})"
        return f"{what}: {pace}{_quicker_inserts(evidence.insert_cost)}."
    return f"{what}: the workload runs ×{mid:.2f} as fast (×{low:.2f} to ×{high:.2f})."


def _quicker_inserts(cost: Interval | None) -> str:
    if cost is None or cost.high >= 1:
        return ""
    return f", inserts take ×{cost.mid:.2f} as long"
