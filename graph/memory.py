"""What people said no to, as it is remembered: by idea, until it is approved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nodes.refusal import Refusal
from tools.ideas import idea_key

if TYPE_CHECKING:
    from graph.ledger import Offer


def refused(answered: Iterable[Offer]) -> dict[str, Refusal]:
    """Return ideas that were rejected, or taken back after approval, and not approved since.

    By `idea_key`, so that an idea with other texts of its queries is known again.
    """
    found: dict[str, Refusal] = {}
    for offer in answered:
        last = offer.outcomes[-1] if offer.outcomes else None
        if offer.decision is None:
            continue
        idea = idea_key(offer.proposal.change)
        if offer.decision.verdict == "reject":
            found[idea] = Refusal(offer.decision, offer.proposal)
        elif last is not None and last.status in ("undone", "rolled_back"):
            found[idea] = Refusal(offer.decision, offer.proposal, last)
        else:
            found.pop(idea, None)
    return found
