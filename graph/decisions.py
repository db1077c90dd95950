"""Answers as they leave the ledger: each with the facts that the person saw, and no data."""

from __future__ import annotations

import math

from pydantic import AwareDatetime, TypeAdapter

from graph.ledger import Ledger, Offer
from tools.messages import Channel, Message, Proposal, Verdict, change_target


class Facts(Message):
    """What a proposal says in numbers; times are logarithms, so that half and twice are alike."""

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


class RecordedDecision(Message):
    """One person's answer to one offer."""

    proposal_id: str
    product: str
    kind: str
    target: str
    facts: Facts
    verdict: Verdict
    reason: str
    principal: str
    channel: Channel
    decided_at: AwareDatetime
    seconds: float
    """From the offer to the answer."""


RECORDED: TypeAdapter[tuple[RecordedDecision, ...]] = TypeAdapter(tuple[RecordedDecision, ...])


def facts_of(proposal: Proposal) -> Facts:
    """Return the facts of a proposal."""
    evidence = proposal.evidence
    return Facts(
        gain=_log(evidence.ratio.mid),
        certain_gain=_log(evidence.ratio.low),
        insert_cost=_log(evidence.insert_cost.mid) if evidence.insert_cost else 0.0,
        growth=_log(max(1, evidence.bytes_after) / max(1, evidence.bytes_before)),
        losing=sum(q.share for q in evidence.losers),
        warnings=sum(f.severity != "info" for f in proposal.contract.findings),
    )


def _log(ratio: float) -> float:
    return math.log(max(ratio, 1e-9))


def recorded(ledger: Ledger) -> list[RecordedDecision]:
    """Return every answer that people gave, oldest first; what ran out unanswered is none."""
    return [_recorded(offer) for offer in ledger.answered()]


def _recorded(offer: Offer) -> RecordedDecision:
    proposal, decision = offer.proposal, offer.decision
    assert decision is not None
    return RecordedDecision(
        proposal_id=proposal.id,
        product=proposal.product,
        kind=proposal.change.kind,
        target=change_target(proposal.change),
        facts=facts_of(proposal),
        verdict=decision.verdict,
        reason=decision.reason,
        principal=decision.principal.name,
        channel=decision.channel,
        decided_at=decision.decided_at,
        seconds=decision.seconds,
    )
