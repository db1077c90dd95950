"""The product's own ledger of changes, in its database: written in the change's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, NamedTuple

import duckdb

from tools.messages import CHANGE, Change, CreateSummary, RewriteQuery, change_target
from tools.product.catalog import Catalog, Table, read_catalog, read_table, table_hash
from tools.product.errors import ParseFailed, UnknownChange
from tools.product.fingerprint import fingerprint_of
from tools.product.meanings import still_meant
from tools.product.summaries import kept_exact

Status = Literal["applied", "undone", "rolled_back"]
_SCHEMA = (
    "CREATE SCHEMA IF NOT EXISTS pillion",
    "CREATE TABLE IF NOT EXISTS pillion.changes (proposal_id VARCHAR, kind VARCHAR,"
    " target VARCHAR, change VARCHAR, before VARCHAR, after VARCHAR,"
    " status VARCHAR, detail VARCHAR, applied_at TIMESTAMPTZ, undone_at TIMESTAMPTZ,"
    " schema_before VARCHAR, schema_after VARCHAR)",
    # Older databases have the table without it.
    "ALTER TABLE pillion.changes ADD COLUMN IF NOT EXISTS approval VARCHAR",
    "CREATE TABLE IF NOT EXISTS pillion.rewrites (proposal_id VARCHAR, kind VARCHAR, body VARCHAR)",
)
_COLUMNS = (
    "proposal_id, kind, target, change, before, after, status, detail,"
    " applied_at::VARCHAR, undone_at::VARCHAR, schema_before, schema_after"
)


class Approval(NamedTuple):
    """What a change is made for."""

    name: str | None = None
    """Of the run whose offer was approved."""
    given_at: datetime | None = None


class AppliedChange(NamedTuple):
    """A row of the product's own change ledger."""

    proposal_id: str
    kind: str
    target: str
    change: str
    before: str
    """The changed table's structure as it was, as JSON."""
    after: str | None
    """The same right after the change; None where it dropped the table."""
    status: Status
    detail: str
    applied_at: str
    undone_at: str | None
    schema_before: str
    schema_after: str
    approval: str | None = None
    """Which approval it was made for; None where nobody said."""

    def made_for(self, approval: Approval) -> bool:
        """Whether it stands and was made for that approval, or for any where that has no name.

        A version that kept no approvals may have made it, and died, right before this one came:
        what was made since the approval was made for it.
        """
        since = approval.given_at
        unnamed = self.approval is None and since is not None
        same = approval.name in (None, self.approval) or (
            unnamed and since is not None and datetime.fromisoformat(self.applied_at) >= since
        )
        return self.status == "applied" and same


class ActiveRewrite(NamedTuple):
    """An approved rewrite or summary that answers queries now."""

    kind: str
    change: Any
    fingerprints: frozenset[str]
    """The patterns it was measured with, where they mean the same today; it answers no others."""
    database: str
    """The name of the database that it is about."""


class ApprovedText(NamedTuple):
    """What was approved to answer queries, and its table as it was then."""

    proposal_id: str
    change: Any
    before: Table | None

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries that it was approved for."""
        if isinstance(self.change, RewriteQuery):
            return (self.change.original,)
        return tuple(old for old, _ in self.change.rewrites)


def list_changes(con: duckdb.DuckDBPyConnection) -> list[AppliedChange]:
    """Return every change made here, oldest first."""
    if not _has_ledger(con):
        return []
    sql = f"SELECT {_columns(con)} FROM pillion.changes ORDER BY rowid"
    return [AppliedChange(*row) for row in con.execute(sql).fetchall()]


def dispatch_rewrites(con: duckdb.DuckDBPyConnection) -> tuple[ActiveRewrite, ...]:
    """Return the approved rewrites the query gateway may use, summaries last.

    A summary is among them only while all its triggers are there: whoever replaces the base table
    takes them away, and then the summary tells what was true before. None answers a query that
    means something else by now.
    """
    texts = approved_texts(con)
    if not texts:
        return ()
    catalog = read_catalog(con)
    return tuple(
        _active(text, catalog)
        for text in texts
        if not isinstance(text.change, CreateSummary) or kept_exact(text.change, catalog)
    )


def approved_texts(con: duckdb.DuckDBPyConnection) -> tuple[ApprovedText, ...]:
    """Return what was approved to answer queries and not taken back, summaries last."""
    if not _has_ledger(con):
        return ()
    rows = con.execute(
        "SELECT r.proposal_id, r.body, c.before FROM pillion.rewrites AS r"
        " LEFT JOIN pillion.changes AS c USING (proposal_id) ORDER BY r.kind DESC, r.rowid"
    ).fetchall()
    return tuple(
        ApprovedText(key, CHANGE.validate_json(body), _table(was)) for key, body, was in rows
    )


def _table(body: str | None) -> Table | None:
    return Table.model_validate_json(body) if body else None


def _active(text: ApprovedText, catalog: Catalog) -> ActiveRewrite:
    change = text.change
    meant = still_meant(change, catalog, text.before)
    return ActiveRewrite(change.kind, change, _fingerprints(meant), catalog.database)


def _fingerprints(queries: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for sql in queries:
        # A text edited beyond recognition answers nothing.
        with suppress(ParseFailed):
            found.add(fingerprint_of(sql))
    return frozenset(found)


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the ledger's tables where they don't exist."""
    for statement in _SCHEMA:
        con.execute(statement)


def record(
    con: duckdb.DuckDBPyConnection,
    proposal_id: str,
    change: Change,
    was: tuple[Table, str],
    approval: str | None,
) -> None:
    """Write that a change was made, in place of any earlier row of it.

    `was` is its table and that one's hash before it.
    """
    before, present = was
    after = read_table(con, change.table)
    target = change_target(change)
    con.execute("DELETE FROM pillion.changes WHERE proposal_id = ?", [proposal_id])
    con.execute("DELETE FROM pillion.rewrites WHERE proposal_id = ?", [proposal_id])
    if isinstance(change, RewriteQuery | CreateSummary):
        con.execute(
            "INSERT INTO pillion.rewrites VALUES (?, ?, ?)",
            [proposal_id, change.kind, change.model_dump_json()],
        )
    con.execute(
        "INSERT INTO pillion.changes VALUES"
        " (?, ?, ?, ?, ?, ?, 'applied', ?, now(), NULL, ?, ?, ?)",
        [
            proposal_id, change.kind, target, json.dumps(CHANGE.dump_python(change, mode="json")),
            before.model_dump_json(), after.model_dump_json() if after else None,
            f"{change.kind} of {target} applied", present, table_hash(change.table, after),
            approval,
        ],
    )  # fmt: skip


def end(con: duckdb.DuckDBPyConnection, row: AppliedChange, status: Status) -> None:
    """Write that a change was taken back."""
    con.execute("DELETE FROM pillion.rewrites WHERE proposal_id = ?", [row.proposal_id])
    con.execute(
        "UPDATE pillion.changes SET status = ?, undone_at = now(), detail = ?"
        " WHERE proposal_id = ? AND status = 'applied'",
        [status, f"{row.kind} of {row.target} taken back", row.proposal_id],
    )


def _has_ledger(con: duckdb.DuckDBPyConnection) -> bool:
    sql = (
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()"
        " AND schema_name = 'pillion' AND table_name = 'changes'"
    )
    return bool(con.execute(sql).fetchall()[0][0])


def _columns(con: duckdb.DuckDBPyConnection) -> str:
    """Return what is read of a row; a ledger that nothing was written to since has no approvals."""
    known = "approval" in [r[0] for r in con.execute("DESCRIBE pillion.changes").fetchall()]
    return f"{_COLUMNS}, {'approval' if known else 'NULL'}"


def find_change(con: duckdb.DuckDBPyConnection, proposal_id: str) -> AppliedChange | None:
    """Return the row of a proposal, if it was ever applied here."""
    sql = f"SELECT {_columns(con)} FROM pillion.changes WHERE proposal_id = ?"
    rows = con.execute(sql, [proposal_id]).fetchall()
    return AppliedChange(*rows[0]) if rows else None


def find_made(con: duckdb.DuckDBPyConnection, proposal_id: str) -> AppliedChange | None:
    """Return the row of a proposal; none where nothing was ever applied here, either."""
    return find_change(con, proposal_id) if _has_ledger(con) else None


def get_change(con: duckdb.DuckDBPyConnection, proposal_id: str) -> AppliedChange:
    """Return the row of a proposal; raises `UnknownChange` when it was never applied here."""
    row = find_made(con, proposal_id)
    if row is None:
        raise UnknownChange(f"No change {proposal_id} was applied to this product.")
    return row
