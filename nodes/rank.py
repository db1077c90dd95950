"""Order what passed the gates and put it into the approval queue."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from langgraph.runtime import Runtime

from mcp_servers.product.contract import ChangeCheck
from mcp_servers.product.errors import SERVER_ENDED, ToolFailed
from nodes.context import Context
from nodes.endings import bounded
from nodes.state import Passed, State, Update, Verdicted
from tools.change_kinds import NEUTRAL
from tools.messages import (
    ChangeType,
    CreateSummary,
    Evidence,
    Expected,
    Interval,
    Proposal,
    QueryOptimization,
    SchemaProposal,
    Trial,
    change_target,
)
from tools.numbers import counted
from tools.slm.facts import certain_saving, possible_saving
from tools.slm.judge import Opinion

CLEARLY = 4.0
"""How many times larger a gain must be to be offered before what was tried earlier: the least that
it can be against the most that the other can, for what one measurement tells apart by its middle
the next one may not."""
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
    """Offer the proposals, the likeliest to be approved first; contract breakers never get here.

    Without a judge clearly greater gains come first.
    """
    context, edited = runtime.context, state.get("edited", ())
    trials = {t.candidate.id: t for t in context.records.trials(state["thread_id"])}
    offered = set(state.get("offered", ()))
    chosen = [trials[i] for i in state.get("passed", {}) if i not in offered]
    proposals, lost = [], []
    for trial in ordered(chosen):
        checked = await _check(state, context, trial)
        if isinstance(checked, str):
            lost.append(trial.model_copy(update={"status": "refused", "reason": checked}))
        else:
            passed = state.get("passed", {})[trial.candidate.id]
            proposals.append(compose(context, trial, checked, passed))
    opinions = context.judge.opinions(context.product, proposals)
    judged = {p.id: opinions.found.get(p.id) for p in proposals}
    # What a person edited was asked for: it is never held back.
    held = {i: o for i, o in judged.items() if o is not None and o.held and i not in edited}
    lost += [_held_back(trials[i], opinion) for i, opinion in held.items()]
    context.records.record_trials(state["thread_id"], context.product, lost)
    ranked = types_first(sorted((p for p in proposals if p.id not in held), key=_likely(judged)))
    asked = context.records.offer(state["thread_id"], ranked, "agent:rank")
    coming = [p.id for p in ranked if p.id not in asked]
    if coming:
        told = [_coming(trials[i]) for i in coming]
        context.records.record_trials(state["thread_id"], context.product, told)
    return {
        "offered": asked,
        "phase": "offered",
        "verdicts": {
            **{i: Verdicted(candidate_id=i, status="held") for i in held},
            **{i: Verdicted(candidate_id=i, status="suppressed") for i in coming},
        },
        "notes": tuple(n for n in (opinions.note, _told(len(held))) if n),
    }


def _coming(trial: Trial) -> Trial:
    reason = "it was approved in an earlier run, which is about to make it"
    return trial.model_copy(update={"status": "suppressed", "reason": reason})


def _told(held: int) -> str:
    """Say that not everything is asked; what was held back is kept with its reason."""
    if not held:
        return ""
    what = counted(held, "proposal")
    return f"The judge held back {what}; `pillion run --show-rejected` shows what and why."


def types_first(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Return the proposals with types before a summary that was measured on top of them.

    Approved changes are made in this order, and under a summary a type may not change any more.
    """
    ranked = list(proposals)
    placed: dict[str, Proposal] = {}
    for proposal in ranked:
        under = list(_types_under(proposal, ranked))
        for earlier in (*under, _after(proposal, under)):
            placed.setdefault(earlier.id, earlier)
    return list(placed.values())


def _after(proposal: Proposal, types: Sequence[Proposal]) -> Proposal:
    """Tell who answers a summary first what becomes of the types under it."""
    if not types:
        return proposal
    names = ", ".join(f"{t.id} ({change_target(t.change)})" for t in types)
    risk = f"answer {names} first: under a summary its types stay until the summary is undone"
    return proposal.model_copy(update={"risk": (*proposal.risk, risk)})


def _types_under(proposal: Proposal, ranked: Iterable[Proposal]) -> Iterator[Proposal]:
    if not isinstance(proposal.change, CreateSummary):
        return
    for other in ranked:
        typed = isinstance(other.change, ChangeType) and other.change.table == proposal.change.table
        if typed and other.id in proposal.evidence.given:
            yield other


def _likely(judged: Mapping[str, Opinion | None]) -> Callable[[Proposal], float]:
    """Return the order by falling probability; equals keep theirs, and so does all without one."""

    def place(proposal: Proposal) -> float:
        opinion = judged[proposal.id]
        return 0.0 if opinion is None else -opinion.probability

    return place


def _held_back(trial: Trial, opinion: Opinion) -> Trial:
    because = f", because {opinion.because}" if opinion.because else ""
    reason = f"held back by the judge: P = {opinion.probability:.2f}{because}"
    return trial.model_copy(update={"status": "held", "reason": reason})


async def _check(state: State, context: Context, trial: Trial) -> ChangeCheck | str:
    """Return the contract's verdict on a change, or why it cannot be proposed any more."""
    call = context.client.check_change(trial.candidate.change)
    offered = state.get("offered", ())
    try:
        check = await bounded(context, state["thread_id"], f"rank after {len(offered)}", call)
    except ToolFailed as failure:
        # Where questions are open already, an edit that fails may not take them along.
        lost = failure.code in ("schema_drift", "refused")
        if lost or (failure.code == SERVER_ENDED and offered):
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
    for trial in sorted(trials, key=_measured):
        at, gain = len(placed), _saving(trial, certain_saving)
        while at and gain > CLEARLY * max(_saving(placed[at - 1], possible_saving), LEAST_GAIN):
            at -= 1
        placed.insert(at, trial)
    return placed


def _measured(trial: Trial) -> tuple[int, float, str]:
    """Return the place of a trial among others: what was accepted before it grows with each."""
    below = len(trial.evidence.given) if trial.evidence else 0
    return below, -trial.candidate.promise, trial.candidate.id


def _saving(trial: Trial, bound: Callable[[Evidence], float]) -> float:
    return bound(trial.evidence) if trial.evidence else -math.inf


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
        affects=check.affects,
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
    pace = f"the workload runs ×{mid:.2f} as fast (×{low:.2f} to ×{high:.2f})"
    return f"{what}: {pace}{_later(evidence.expected)}."


def _later(expected: Expected | None) -> str:
    if expected is None:
        return ""
    return f"; expect ×{expected.ratio.low:.2f} to ×{expected.ratio.high:.2f} later"


def _quicker_inserts(cost: Interval | None) -> str:
    if cost is None or cost.high >= 1:
        return ""
    return f", inserts take ×{cost.mid:.2f} as long"
