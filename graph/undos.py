"""Requests to take changes back, kept until they are carried out."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

from graph import audit
from graph.errors import AlreadyUndone

ENDED = {"undone": "undone", "rolled_back": "rolled back"}


class UndoRequest(NamedTuple):
    """A change that a person wants taken back."""

    proposal_id: str
    actor: str


def ask(con: sqlite3.Connection, proposal_id: str, actor: str, at: datetime) -> None:
    """Keep a request inside the caller's transaction; one that is kept already stays as it is.

    Raises `AlreadyUndone`.
    """
    if proposal_id in {r.proposal_id for r in kept(con)}:
        return
    check(con, proposal_id)
    when = at.isoformat()
    con.execute("INSERT INTO undo_requests VALUES (?, ?, ?)", (proposal_id, actor, when))
    audit.append(con, when, actor, "undo.requested", proposal_id)


def check(con: sqlite3.Connection, proposal_id: str) -> None:
    """Raise `AlreadyUndone` when taking it back is the last that became of a change."""
    last = con.execute(
        "SELECT status, at FROM outcomes WHERE proposal_id = ? ORDER BY rowid DESC",
        (proposal_id,),
    ).fetchone()
    if last is not None and last[0] in ENDED:
        raise AlreadyUndone(proposal_id, ENDED[last[0]], datetime.fromisoformat(last[1]))


def drop(con: sqlite3.Connection, proposal_id: str, at: datetime) -> None:
    """Forget a request that the product refused, inside the caller's transaction."""
    con.execute("DELETE FROM undo_requests WHERE proposal_id = ?", (proposal_id,))
    audit.append(con, at.isoformat(), "pillion", "undo.refused", proposal_id)


def kept(con: sqlite3.Connection) -> list[UndoRequest]:
    """Return what is still to be taken back, oldest first."""
    found = con.execute(
        "SELECT proposal_id, actor FROM undo_requests ORDER BY requested_at, proposal_id"
    )
    return [UndoRequest(*row) for row in found]
