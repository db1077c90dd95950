"""An offer as it is read: a proposal with its answer, and what later runs found of it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import AwareDatetime

from graph.offer_rows import LATER
from tools.messages import (
    Decision,
    Interval,
    Message,
    Outcome,
    Proposal,
    Trial,
    TrialStatus,
)


class Remeasured(Message):
    """What a later run found of a proposal that still waits, and would not offer any more."""

    run: str
    at: AwareDatetime
    status: TrialStatus
    reason: str
    ratio: Interval | None = None
    """None where nothing was timed, or the answers differed."""
    beside: int = 0
    """How many other changes it was measured on top of."""


class Listed(NamedTuple):
    """What a list of offers is narrowed and sorted by."""

    id: str
    round: int
    product: str
    kind: str
    verdict: str | None
    """None while nobody has answered."""
    offered_at: datetime
    expires_at: datetime
    gain: float
    """The lower end of its interval."""


class Offer(NamedTuple):
    """A proposal as it was offered, with its answer and what became of it."""

    proposal: Proposal
    thread_id: str
    round: int
    offered_at: datetime
    decision: Decision | None
    outcomes: tuple[Outcome, ...]
    approvals: tuple[Decision, ...] = ()
    """Those given so far, where policy wants several."""
    needed: int | None = 1
    """How many it wants; None while the policy cannot be read."""
    remeasured: Remeasured | None = None
    """What the last run since found, where it would not offer it any more; only while it waits."""

    @property
    def waiting(self) -> bool:
        """Whether nobody has answered yet."""
        return self.decision is None

    @property
    def overdue(self) -> bool:
        """Whether nobody answered in time; the next command that holds the home writes it down."""
        return self.waiting and self.proposal.expires_at <= datetime.now(UTC)


def remeasured(
    con: sqlite3.Connection, proposal: Proposal, thread_id: str, offered_at: datetime
) -> Remeasured | None:
    """Return the verdict of the last run that tried what still waits, and did not offer it."""
    asked = {
        "id": proposal.id, "product": proposal.product, "thread": thread_id,
        "since": offered_at.isoformat(),
    }  # fmt: skip
    row = con.execute(LATER, asked).fetchone()
    if row is None:
        return None
    run, body, at = row
    trial, evidence = Trial.model_validate_json(body), None
    if trial.evidence is not None and trial.evidence.equal:
        evidence = trial.evidence
    return Remeasured(
        run=run,
        at=datetime.fromisoformat(at),
        status=trial.status,
        reason=trial.reason,
        ratio=evidence.ratio if evidence else None,
        beside=len(evidence.given) if evidence else 0,
    )
