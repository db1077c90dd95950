"""Requests to take changes back, kept until they are carried out."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

from graph import audit
from graph.errors import AlreadyUndone, NeverMade

ENDED = {"undone": "undone", "rolled_back": "rolled back"}
ON_ITS_WAY = """
    SELECT 1 FROM outbox AS o
    JOIN decisions AS d ON d.proposal_id = o.proposal_id AND d.round = o.round
    WHERE o.proposal_id = ? AND o.delivered_at IS NULL AND d.body ->> '$.verdict' = 'approve'
    AND NOT EXISTS (
        SELECT 1 FROM outcomes AS c WHERE c.proposal_id = o.proposal_id AND c.round = o.round
    )
"""
"""An approval that nothing has come of yet: its change may be made already."""
LAST = """
    SELECT status, at FROM outcomes WHERE proposal_id = ? AND status NOT IN ('expired', 'failed')
    ORDER BY rowid DESC
"""
"""What an approval came to that made a change, or took it back; a failed one altered nothing."""


class UndoRequest(NamedTuple):
    """A change that a person wants taken back."""

    proposal_id: str
    actor: str


def ask(con: sqlite3.Connection, proposal_id: str, actor: str, at: datetime) -> None:
    """Keep a request inside the caller's transaction; one that is kept already stays as it is.

    Raises `AlreadyUndone` or `NeverMade`.
    """
    if proposal_id in {r.proposal_id for r in kept(con)}:
        return
    check(con, proposal_id)
    when = at.isoformat()
    con.execute("INSERT INTO undo_requests VALUES (?, ?, ?)", (proposal_id, actor, when))
    audit.append(con, when, actor, "undo.requested", proposal_id)


def check(con: sqlite3.Connection, proposal_id: str) -> None:
    """Raise `AlreadyUndone` or `NeverMade` where there is no change to take back.

    What is refused here is not kept: it would take back what is approved later.
    """
    if con.execute(ON_ITS_WAY, (proposal_id,)).fetchone():
        return
    last = con.execute(LAST, (proposal_id,)).fetchone()
    if last is None:
        raise NeverMade(proposal_id)
    if last[0] in ENDED:
        raise AlreadyUndone(proposal_id, ENDED[last[0]], datetime.fromisoformat(last[1]))


def drop(con: sqlite3.Connection, proposal_id: str, at: datetime) -> None:
    """Forget a request that the product refused, inside the caller's transaction."""
    con.execute("DELETE FROM undo_requests WHERE proposal_id = ?", (proposal_id,))
    audit.append(con, at.isoformat(), "pillion", "undo.refused", proposal_id)


def overtake(con: sqlite3.Connection, proposal_id: str, at: str) -> None:
    """Forget a request that was made before an approval: it is not about what is made now."""
    con.execute("DELETE FROM undo_requests WHERE proposal_id = ?", (proposal_id,))
    if con.execute("SELECT changes()").fetchone()[0]:
        audit.append(con, at, "pillion", "undo.overtaken", proposal_id)


def kept(con: sqlite3.Connection) -> list[UndoRequest]:
    """Return what is still to be taken back, oldest first."""
    found = con.execute(
        "SELECT proposal_id, actor FROM undo_requests ORDER BY requested_at, proposal_id"
    )
    return [UndoRequest(*row) for row in found]
