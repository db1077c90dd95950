"""Answers as they leave the ledger: each with the facts that the person saw, and no data."""

from __future__ import annotations

from pydantic import AwareDatetime, TypeAdapter

from graph.ledger import Ledger, Offer
from tools.messages import Channel, Message, Verdict, change_target
from tools.slm.facts import Facts, facts_of

__all__ = ["RECORDED", "Facts", "RecordedDecision", "facts_of", "recorded"]


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
