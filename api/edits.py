"""What became of edits, in words: the same at every door."""

from __future__ import annotations

from api.wording import ANSWER_WORDS, trial_words
from graph.ledger import Ledger, Offer
from tools.ideas import UNTRIED
from tools.messages import change_id


def told_edit(ledger: Ledger, offer: Offer) -> str:
    """Return what came of the edit of an offer, or of the one before it where it was in vain.

    Empty where nobody edited it.
    """
    # An approval among several, too, is an answer since.
    again = offer.decision is None and offer.round > 1 and not offer.approvals
    edited = ledger.offer_of(offer.proposal.id, before=offer.round) if again else offer
    decision = edited.decision
    if decision is None or decision.edited is None or edited.thread_id != offer.thread_id:
        return ""
    key = change_id(offer.proposal.product, decision.edited)
    trial = next((t for t in ledger.trials(offer.thread_id) if t.candidate.id == key), None)
    if trial is None:
        return f"edited; {key} is measured as soon as its run can go on."
    if trial.status == "accepted":
        return _told_offer(ledger, key)
    measured = "edited" if trial.status in UNTRIED else "edited and measured"
    told = f"{measured}; {trial_words(trial)}: {trial.reason.rstrip('.')}."
    return f"{told} It waits for another answer." if again else told


def _told_offer(ledger: Ledger, key: str) -> str:
    """Tell of what an edit came to; that may be an idea which was offered and answered before."""
    standing = ledger.offer_of(key).decision
    if standing is None:
        return f"edited and measured; {key} waits for an answer now."
    return f"edited; that is {key}, which was {ANSWER_WORDS[standing.verdict]} already."
