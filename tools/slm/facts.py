"""What a proposal says in numbers: all that the judge reads, and no word of it."""

from __future__ import annotations

import math

from tools.messages import Evidence, Message, Proposal


class Facts(Message):
    """The numbers of one proposal; times and sizes are logarithms, so half and twice are alike.

    Exports of before name only those without a default; the others then say nothing (0).
    """

    gain: float
    """Log of the measured gain."""
    certain_gain: float
    """Log of the lower bound of the gain."""
    insert_cost: float
    """Log of after / before of an insert batch; 0 where it was not measured."""
    growth: float
    """Log of bytes after / before."""
    losing: float
    """Share of the workload that gets slower with certainty, 0..1."""
    warnings: int
    """Findings of the contract that are more than a note."""
    spread: float = 0.0
    """Log of upper / lower bound of the gain."""
    insert_bound: float = 0.0
    """Log of the upper bound of the insert cost."""
    winning: float = 0.0
    """Share of the workload that gets faster with certainty, 0..1."""
    worst: float = 0.0
    """Log of the ratio of the query that loses most with certainty; 0 where none does."""
    queries: float = 0.0
    """Log of 1 + the measured queries."""
    rows: float = 0.0
    """Log of 1 + the rows of the changed table."""
    size: float = 0.0
    """Log of 1 + the bytes before."""
    apply: float = 0.0
    """Log of 1 + the milliseconds that applying took in the rehearsal."""
    rehearsed: float = 1.0
    """1 where the undo was rehearsed and worked, else 0."""
    equal: float = 1.0
    """1 where every measured query kept its result, else 0."""
    notes: int = 0
    """Findings of the contract that are only a note."""
    risks: int = 0
    """Risks that the proposal states."""
    affects: int = 0
    """Other products that it touches."""
    given: int = 0
    """Changes it was measured on top of."""
    again: float = 0.0
    """1 where the idea was refused before and measures otherwise now."""


def facts_of(proposal: Proposal) -> Facts:
    """Return the facts of a proposal."""
    evidence, findings = proposal.evidence, proposal.contract.findings
    insert, rehearsal = evidence.insert_cost, evidence.rehearsal
    return Facts(
        gain=_log(evidence.ratio.mid),
        certain_gain=_log(evidence.ratio.low),
        insert_cost=_log(insert.mid) if insert else 0.0,
        growth=_log(max(1, evidence.bytes_after) / max(1, evidence.bytes_before)),
        losing=sum(q.share for q in evidence.losers),
        warnings=sum(f.severity != "info" for f in findings),
        spread=_log(evidence.ratio.high) - _log(evidence.ratio.low),
        insert_bound=_log(insert.high) if insert else 0.0,
        winning=sum(q.share for q in evidence.queries if q.ratio.low > 1),
        worst=min((_log(q.ratio.mid) for q in evidence.losers), default=0.0),
        queries=math.log1p(len(evidence.queries)),
        rows=math.log1p(max(0, evidence.rows)),
        size=math.log1p(max(0, evidence.bytes_before)),
        apply=math.log1p(max(0.0, rehearsal.apply_ms)) if rehearsal else 0.0,
        rehearsed=_flag(rehearsal is not None and rehearsal.ok),
        equal=_flag(evidence.equal),
        notes=sum(f.severity == "info" for f in findings),
        risks=len(proposal.risk),
        affects=len(proposal.affects),
        given=len(evidence.given),
        again=_flag(proposal.changed_since is not None),
    )


def certain_saving(evidence: Evidence) -> float:
    """Return the log of the gain's lower bound, minus what inserts lose."""
    insert = evidence.insert_cost
    return saving_of(_log(evidence.ratio.low), _log(insert.mid) if insert else 0.0)


def possible_saving(evidence: Evidence) -> float:
    """Return the log of the gain's upper bound, minus what inserts lose at least."""
    insert = evidence.insert_cost
    return saving_of(_log(evidence.ratio.high), _log(insert.low) if insert else 0.0)


def saving_of(certain_gain: float, insert_cost: float) -> float:
    """Return the same from its logarithms: what rules rank by."""
    return certain_gain - 0.1 * max(0.0, insert_cost)


def _flag(condition: bool) -> float:
    return 1.0 if condition else 0.0


def _log(ratio: float) -> float:
    return math.log(max(ratio, 1e-9))
