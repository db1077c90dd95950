"""When two changes are the same idea, and when offering one again wastes a person's time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from evals.results import Judged, SecondRun
from graph.ledger import Offer
from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    DropColumn,
    DropIndex,
    DropTable,
    Interval,
    Proposal,
    RewriteQuery,
    SortTable,
)
from tools.outcome_status import IN_PLACE


def idea(change: Change) -> str:
    """Return what a change is about, the same for another spelling, name or target type of it."""
    match change:
        case ChangeType() | DropColumn() | AddNotNull() | AddCheck():
            about = change.column
        case CreateIndex():
            about = ", ".join(change.columns)
        case SortTable():
            about = change.order_by[0]
        case CreateSummary():
            about = ", ".join(sorted(d.expression for d in change.dimensions))
        case DropIndex():
            about = change.name
        case RewriteQuery():
            about = change.fingerprint
        case DropTable():
            about = ""
    return f"{change.kind} {change.table} {about}".rstrip()


def measured(proposal: Proposal) -> Interval:
    """Return the gain of the change by itself, as it was measured."""
    return proposal.evidence.alone or proposal.evidence.ratio


def repeated_within(proposals: Iterable[Judged]) -> int:
    """Return how many proposals of one run repeat the idea of another."""
    return sum(n - 1 for n in Counter(p.idea or p.id for p in proposals).values())


def second_run(first: Sequence[Offer], second: Sequence[Offer]) -> SecondRun:
    """Hold what a second run offers against the answers that the first one got."""
    answered = {idea(o.proposal.change): o for o in first if o.decision is not None}
    repeats = []
    for offer in second:
        name = idea(offer.proposal.change)
        why = _repeats(answered[name], offer) if name in answered else ""
        if why:
            repeats.append(f"{name}: {why}")
    refused = sum(not _in_place(o) for o in answered.values())
    return SecondRun(
        offered=tuple(idea(o.proposal.change) for o in second),
        repeats=tuple(repeats),
        refused=refused,
    )


def _repeats(before: Offer, now: Offer) -> str:
    """Say why an offer is a repeat, or nothing where its evidence is another."""
    if _in_place(before):
        return "it is in place already"
    old, new = measured(before.proposal), measured(now.proposal)
    if new.low <= old.high and old.low <= new.high:
        return "it was refused and measures the same"
    return ""


def _in_place(offer: Offer) -> bool:
    return bool(offer.outcomes) and offer.outcomes[-1].status in IN_PLACE
