"""Offers as they are written: rows of the ledger, each with its row of the trail."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from graph import audit
from tools.messages import Decision, Principal, Proposal


def write(
    con: sqlite3.Connection, at: str, actor: str, thread_id: str, proposal: Proposal, number: int
) -> None:
    """Write one offer inside the caller's transaction."""
    body = proposal.model_dump_json()
    con.execute(
        "INSERT INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            proposal.id, thread_id, proposal.product, body, at, proposal.expires_at.isoformat(),
            number,
        ),
    )  # fmt: skip
    audit.append(
        con, at, actor, "proposal.offered", proposal.id, kind=proposal.change.kind,
        summary=proposal.summary, round=number, sha256=audit.digest(body),
    )  # fmt: skip


def closed(proposal_id: str, why: str, at: datetime) -> Decision:
    """Return the answer to an offer that nobody has to answer any more."""
    return Decision(
        proposal_id=proposal_id, verdict="expire", reason=why, channel="policy", decided_at=at,
        principal=Principal(kind="agent", name="pillion"),
    )  # fmt: skip
