"""Approvals that are not enough alone: kept one by one until policy has as many as it wants."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from graph import audit
from graph.errors import AlreadyApproved, NotAllowed
from tools.failpoints import crash_point
from tools.messages import Decision, Principal, Proposal, change_id

if TYPE_CHECKING:
    from graph.ledger import Offer
    from graph.policy import Needed


def given(con: sqlite3.Connection, proposal_id: str, number: int) -> tuple[Decision, ...]:
    """Return the approvals of one offer, in the order they came."""
    found = con.execute(
        "SELECT body FROM approvals WHERE proposal_id = ? AND round = ? ORDER BY rowid",
        (proposal_id, number),
    )
    return tuple(Decision.model_validate_json(row[0]) for row in found)


def requested(con: sqlite3.Connection, at: str, thread_id: str, by: Principal) -> None:
    """Keep who asked for a run, inside the caller's transaction."""
    con.execute("INSERT OR IGNORE INTO requesters VALUES (?, ?, ?)", (thread_id, by.kind, by.name))
    if con.execute("SELECT changes()").fetchone()[0]:
        audit.append(con, at, f"{by.kind}:{by.name}", "run.requested", thread_id)


def add(con: sqlite3.Connection, offer: Offer, decision: Decision, needed: Needed) -> bool:
    """Keep an approval inside the caller's transaction; returns whether there are enough now.

    Raises `AlreadyApproved` and `NotAllowed`.
    """
    _check(con, offer, decision, needed)
    at, body = decision.decided_at.isoformat(), decision.model_dump_json()
    who = decision.principal
    con.execute(
        "INSERT INTO approvals VALUES (?, ?, ?, ?, ?)",
        (offer.proposal.id, offer.round, who.name.casefold(), body, at),
    )
    count = len(offer.approvals) + 1
    audit.append(
        con, at, f"{who.kind}:{who.name}", "proposal.approval", offer.proposal.id,
        reason=decision.reason, channel=decision.channel, given=count, needed=needed.approvals,
        round=offer.round, sha256=audit.digest(body),
    )  # fmt: skip
    crash_point("ledger.approval.between")
    return count >= needed.approvals


def _check(con: sqlite3.Connection, offer: Offer, decision: Decision, needed: Needed) -> None:
    name = decision.principal.name
    if any(_same(a.principal.name, name) for a in offer.approvals):
        raise AlreadyApproved(offer.proposal.id, name, len(offer.approvals), needed.approvals)
    if any(_same(asker, name) for asker in _askers(con, offer.thread_id, offer.proposal)):
        raise NotAllowed(
            f"{name} asked for {offer.proposal.id}, and policy wants"
            f" {needed.approvals} approved by others. Rejecting is open to everybody."
        )
    if decision.channel == "terminal" and not needed.terminal:
        raise NotAllowed(
            f"Policy wants {offer.proposal.id} approved through the service, where people show who"
            " they are; an approval in a terminal does not count."
        )


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _askers(con: sqlite3.Connection, thread_id: str, proposal: Proposal) -> list[str]:
    """Return the people who asked for the run, or whose edit made this proposal."""
    named = con.execute(
        "SELECT name FROM requesters WHERE thread_id = ? AND kind = 'person'", (thread_id,)
    )
    edits = con.execute("SELECT body FROM decisions WHERE body ->> '$.verdict' = 'edit'")
    made = [Decision.model_validate_json(row[0]) for row in edits]
    editors = [
        d.principal.name
        for d in made
        if d.edited is not None and change_id(proposal.product, d.edited) == proposal.id
    ]
    return [row[0] for row in named] + editors
