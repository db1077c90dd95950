"""What became of answers, for every command that takes some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import typer

from api.cli.render import outcome_table
from api.cli.shell import err, out, tell
from api.edits import told_edit
from api.views import save_report
from api.wording import approvals
from graph.ledger import Ledger, Offer
from graph.settings import Settings
from tools.outcome_status import IN_PLACE

NOT_IN_PLACE = ("failed", "expired", "rolled_back")
MEASURED_AGAIN = ("failed", "expired")
AFTERWARDS = {
    "approve": "approved; it is applied as soon as its run can go on.",
    "reject": "rejected; it is not offered again unless its evidence changes.",
    "expire": "expired; `pillion run` measures it again.",
}


def keep_report(settings: Settings, ledger: Ledger, thread_id: str) -> None:
    """Write the report of a run anew; where it cannot be, that is told and no more."""
    if problem := save_report(settings, ledger, thread_id).problem:
        tell(problem, to=err)


class Answered(NamedTuple):
    """Offers after their answers took effect, and a sentence on each that changed nothing."""

    offers: list[Offer]
    said: list[str]

    @classmethod
    def read(cls, ledger: Ledger, proposals: Sequence[str]) -> Answered:
        """Look up how things stand."""
        offers = [ledger.offer_of(p) for p in proposals]
        said = [_afterwards(ledger, o) for o in offers if not o.outcomes]
        return cls(offers, said)

    def show(self) -> None:
        """Show the outcomes, and how what is in place is taken back."""
        last = [o.outcomes[-1] for o in self.offers if o.outcomes]
        if last:
            out.print(outcome_table([o for offer in self.offers for o in offer.outcomes]))
        for sentence in self.said:
            tell(sentence)
        standing = [o.proposal_id for o in last if o.status in IN_PLACE]
        if standing:
            tell(
                f"To take {'it' if len(standing) == 1 else 'one'} back: pillion undo {standing[-1]}"
            )
        again = {o.proposal.product for o in self.offers for x in o.outcomes[-1:]
                 if x.status in MEASURED_AGAIN}  # fmt: skip
        for product in sorted(again):
            tell(f"To have it measured and offered again: pillion run {product}")

    def end(self) -> None:
        """End the command with code 1 when an approved change is not in place."""
        if any(x.status in NOT_IN_PLACE for o in self.offers for x in o.outcomes[-1:]):
            raise typer.Exit(1)


def _afterwards(ledger: Ledger, offer: Offer) -> str:
    if edited := told_edit(ledger, offer):
        return f"{offer.proposal.id}: {edited}"
    if offer.decision is None:
        return f"{offer.proposal.id}: {given(offer)}; it waits for others."
    return f"{offer.proposal.id}: {AFTERWARDS[offer.decision.verdict]}"


def given(offer: Offer) -> str:
    """Say which approvals there are where policy wants several, else nothing."""
    return approvals([a.principal.name for a in offer.approvals], offer.needed)
