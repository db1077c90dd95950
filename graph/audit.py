"""The audit trail: append-only rows, each holding the hash of the one before.

The chain finds what was altered, removed, put in or put in another order; the head, kept in a
table of its own, finds a cut-off end; digests tie proposals, answers and outcomes to their rows.
Whoever can write the file can also forge all of it, so keep the head of `pillion log --verify`
elsewhere if that matters.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

GENESIS = "0" * 64
CUT_OFF = "step.cut_off"
TIMES_CUT_OFF = f"""
    SELECT count(*) FROM audit WHERE subject = :subject AND action = '{CUT_OFF}'
    AND body ->> '$.step' = :step AND seq > (
        SELECT coalesce(max(seq), 0) FROM audit
        WHERE subject = :subject AND action IN ('run.waiting', 'undo.requested')
    )
"""  # noqa: S608 - our own words
BODIES = """
    SELECT 'proposals', id, round, body FROM proposals
    UNION ALL SELECT 'decisions', proposal_id, round, body FROM decisions
    UNION ALL SELECT 'approvals', proposal_id, round, body FROM approvals
    UNION ALL SELECT 'outcomes', proposal_id, round, body FROM outcomes
"""
REQUESTERS = "SELECT 'requesters', thread_id, kind || ':' || name, '' FROM requesters"
TABLES = """
    SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('audit', 'audit_head')
"""
Vouched = tuple[str, Any, Any, str]
"""A table, what its row is about, which one of those it is, and the digest of its body."""


class AuditRow(NamedTuple):
    """One action of one actor on one subject."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    body: str
    previous: str
    hash: str


class Verification(NamedTuple):
    """Whether the trail is whole; otherwise the first row that is not, and what is wrong."""

    ok: bool
    rows: int
    broken_at: int | None
    head: str
    problem: str = ""


def row_hash(seq: int, fields: tuple[str, str, str, str, str], previous: str) -> str:
    """Return the SHA-256 over a row's content and the hash of the row before."""
    row = [seq, *fields, previous]
    # What is no text, or no Unicode, was put there by somebody else.
    payload = json.dumps(row, separators=(",", ":"), ensure_ascii=False, default=repr)
    return digest(payload)


def digest(text: str | bytes) -> str:
    """Return the hash by which a row names a stored body."""
    stored = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(stored).hexdigest()


def append(
    con: sqlite3.Connection, at: str, actor: str, action: str, subject: str, **body: Any
) -> None:
    """Add a row inside the caller's transaction."""
    last = con.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    fields = (at, actor, action, subject, json.dumps(body, sort_keys=True, default=str))
    head = row_hash(seq, fields, previous)
    con.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (seq, *fields, previous, head))
    con.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?)", (seq, head))


def rows(con: sqlite3.Connection, limit: int | None = None) -> Iterator[AuditRow]:
    """Yield rows oldest first; with `limit`, only the last ones."""
    sql = "SELECT seq, at, actor, action, subject, body, previous, hash FROM audit"
    if limit is not None:
        sql = f"SELECT * FROM ({sql} ORDER BY seq DESC LIMIT {int(limit)})"  # noqa: S608 - an int
    for row in con.execute(f"{sql} ORDER BY seq"):
        yield AuditRow(*row)


def about(con: sqlite3.Connection, subjects: Iterable[str]) -> Iterator[AuditRow]:
    """Yield the rows about some proposals or runs, oldest first."""
    found = con.execute(
        "SELECT seq, at, actor, action, subject, body, previous, hash FROM audit"
        " WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY seq",
        (json.dumps(list(subjects)),),
    )
    yield from (AuditRow(*row) for row in found)


def cut_off(con: sqlite3.Connection, subject: str, step: str) -> int:
    """Return how often a step ended in the middle since its run last came to a question.

    Of an undo, since it was last asked for.
    """
    found = con.execute(TIMES_CUT_OFF, {"subject": subject, "step": step}).fetchone()
    return int(found[0])


def holds_change(con: sqlite3.Connection, key: str) -> bool:
    """Return whether a row tells of the change that has a key."""
    found = con.execute("SELECT 1 FROM audit WHERE body ->> '$.change' = ? LIMIT 1", (key,))
    return found.fetchone() is not None


def verify(con: sqlite3.Connection) -> Verification:
    """Recompute the chain from its first row to its head, and compare what it vouches for.

    Inside the caller's transaction: another process may append between two reads.
    """
    if con.execute(TABLES).fetchone() != (2,):
        return Verification(False, 0, 1, GENESIS, "there is no trail")
    usual, con.text_factory = con.text_factory, _text
    try:
        return _verify(con)
    finally:
        con.text_factory = usual


def _text(stored: bytes) -> str:
    """Return a text whatever bytes it has: those that are no Unicode were altered."""
    return stored.decode("utf-8", "surrogateescape")


def _verify(con: sqlite3.Connection) -> Verification:
    previous, count = GENESIS, 0
    vouched: dict[Vouched, int] = {}
    for row in rows(con):
        count += 1
        fields = (row.at, row.actor, row.action, row.subject, row.body)
        sound = row.previous == previous and row.seq == count
        if not sound or row.hash != row_hash(row.seq, fields, previous):
            problem = "it was altered, or a row before it was removed or put in"
            return Verification(False, count, row.seq, previous, problem)
        previous = row.hash
        vouched |= dict.fromkeys(_vouched_by(row), row.seq)
    head = con.execute("SELECT seq, hash FROM audit_head").fetchone()
    if (head or (0, GENESIS)) != (count, previous):
        return Verification(False, count, count + 1, previous, "the rows at the end are missing")
    return _compare(con, vouched, Verification(True, count, None, previous))


def _vouched_by(row: AuditRow) -> Iterator[Vouched]:
    """Yield what has to be stored because of a row."""
    if row.action == "run.requested":
        yield "requesters", row.subject, row.actor, digest("")
    body = json.loads(row.body)
    if "sha256" in body:
        kinds = {"proposal.offered": "proposals", "proposal.approval": "approvals"}
        otherwise = "outcomes" if row.action.startswith("change.") else "decisions"
        yield kinds.get(row.action, otherwise), row.subject, body["round"], body["sha256"]


def _compare(
    con: sqlite3.Connection, vouched: dict[Vouched, int], whole: Verification
) -> Verification:
    """Compare what is stored with what the rows vouch for."""
    found = con.execute(f"{BODIES} UNION ALL {REQUESTERS}")
    stored = {(*place, digest(body)) for *place, body in found}
    lost = vouched.keys() - stored
    if lost:
        seq = min(vouched[key] for key in lost)
        problem = "the proposal, answer or outcome it recorded was altered or removed"
        return whole._replace(ok=False, broken_at=seq, problem=problem)
    foreign = stored - vouched.keys()
    if foreign:
        about = min(str(subject) for _, subject, *_ in foreign)
        problem = f"a proposal, answer or outcome of {about} was put in beside the trail"
        return whole._replace(ok=False, broken_at=whole.rows + 1, problem=problem)
    return whole
