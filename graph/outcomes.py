"""What became of proposals: rows of the ledger, each with its row of the trail."""

from __future__ import annotations

import sqlite3

from graph import audit
from tools.messages import Outcome

GONE = "the state of its run is gone"
AGAIN = "`pillion run` measures it again"


def write(con: sqlite3.Connection, outcome: Outcome, number: int, actor: str, at: str) -> None:
    """Write what became of a round inside the caller's transaction; twice the same is one row."""
    body = outcome.model_dump_json()
    con.execute(
        "INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?)",
        (outcome.proposal_id, number, outcome.status, body, at),
    )
    if con.execute("SELECT changes()").fetchone()[0]:
        audit.append(
            con, at, actor, f"change.{outcome.status}", outcome.proposal_id,
            detail=outcome.detail, round=number, sha256=audit.digest(body),
        )  # fmt: skip


def of_a_lost_run(proposal_id: str, why: str, made: bool) -> Outcome:
    """Return what becomes of an approval whose run cannot go on."""
    if made:
        detail = f"it is in place, but was not timed on live: {why}"
        return Outcome(proposal_id=proposal_id, status="unproven", detail=detail)
    return Outcome(proposal_id=proposal_id, status="failed", detail=f"{why}; {AGAIN}")
