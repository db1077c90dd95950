"""The ledger's file: opening it, its transactions, and what runs leave in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from graph import approvals, audit
from graph.errors import UnknownThread
from graph.sqlite_file import SqliteFile
from tools.messages import Principal, Trial

SCHEMA = (Path(__file__).parent / "ledger_schema.sql").read_text()


Describing = Literal["describing", "described"]
"""Descriptions are about to be put into a contract, or are in it."""


class Thread(NamedTuple):
    """One run of the graph; status is running, waiting, done or failed."""

    id: str
    product: str
    request: str
    status: str
    created_at: str
    updated_at: str


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


class RunStore(SqliteFile):
    """Runs, their verdicts and totals."""

    schema = SCHEMA
    version = 3

    # threads

    def open_thread(self, thread_id: str, product: str, request: str) -> None:
        """Record a new run before its first step."""
        at = now().isoformat()
        with self._transaction() as con:
            con.execute(
                "INSERT INTO threads VALUES (?, ?, ?, 'running', ?, ?)",
                (thread_id, product, request, at, at),
            )
            audit.append(con, at, "pillion", "run.started", thread_id, product=product)

    def request_run(self, thread_id: str, by: Principal) -> None:
        """Record who asked for a run, before it is started."""
        with self._transaction() as con:
            approvals.requested(con, now().isoformat(), thread_id, by)

    def record_described(
        self, step: Describing, person: str, product: str, **body: str | int
    ) -> None:
        """Keep in the trail that a person puts descriptions into a product's contract, or did."""
        with self._transaction() as con:
            at = now().isoformat()
            audit.append(con, at, f"person:{person}", f"contract.{step}", product, **body)

    def cut_off(self, subject: str, step: str, why: str) -> int:
        """Keep in the trail that a step ended in the middle; returns how often that one did.

        Since its run last came to a question, or its undo was last asked for.
        """
        with self._transaction() as con:
            audit.append(
                con, now().isoformat(), "pillion", audit.CUT_OFF, subject, step=step, why=why
            )
            return audit.cut_off(con, subject, step)

    def set_thread(self, thread_id: str, status: str, why: str = "") -> None:
        """Record where a run stands, and why it failed."""
        with self._transaction() as con:
            self._write_status(con, thread_id, status, now().isoformat(), why)

    def _write_status(
        self, con: sqlite3.Connection, thread_id: str, status: str, at: str, why: str = ""
    ) -> None:
        con.execute(
            "UPDATE threads SET status = ?, updated_at = ? WHERE id = ? AND status <> ?",
            (status, at, thread_id, status),
        )
        if con.execute("SELECT changes()").fetchone()[0]:
            reason = {"reason": why} if why else {}
            audit.append(con, at, "pillion", f"run.{status}", thread_id, **reason)

    def threads(self, product: str | None = None, status: str | None = None) -> list[Thread]:
        """Return runs, newest first."""
        found = self._con.execute("SELECT * FROM threads ORDER BY created_at DESC, id DESC")
        rows = [Thread(*row) for row in found]
        return [t for t in rows if product in (None, t.product) and status in (None, t.status)]

    def thread(self, thread_id: str) -> Thread:
        """Return one run; raises `UnknownThread`."""
        row = self._con.execute("SELECT * FROM threads WHERE id = ?", (thread_id,)).fetchone()
        if row is None:
            raise UnknownThread(thread_id)
        return Thread(*row)

    def stands_as(self, thread_id: str, status: str) -> bool:
        """Return whether a run is known and stands so."""
        sql = "SELECT 1 FROM threads WHERE id = ? AND status = ?"
        return self._con.execute(sql, (thread_id, status)).fetchone() is not None

    def record_trials(self, thread_id: str, product: str, trials: Iterable[Trial]) -> None:
        """Keep every verdict, winners and losers."""
        at = now().isoformat()
        with self._transaction() as con:
            con.executemany(
                "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (t.candidate.id, product, thread_id, t.status, t.model_dump_json(), at)
                    for t in trials
                ],
            )

    def trials(self, thread_id: str) -> list[Trial]:
        """Return the verdicts of one run."""
        found = self._con.execute(
            "SELECT body FROM trials WHERE thread_id = ? ORDER BY rowid", (thread_id,)
        )
        return [Trial.model_validate_json(row[0]) for row in found]

    def save_report(self, thread_id: str, body: Mapping[str, Any]) -> None:
        """Keep the totals and notes of a run."""
        with self._transaction() as con:
            con.execute(
                "INSERT OR REPLACE INTO reports VALUES (?, ?)", (thread_id, json.dumps(body))
            )

    def measured_before(self, thread: Thread) -> dict[str, Any]:
        """Return what is kept of the latest earlier run of the same product that measured."""
        row = self._con.execute(
            "SELECT r.body FROM threads AS t JOIN reports AS r ON r.thread_id = t.id"
            " WHERE t.product = ? AND (t.created_at, t.id) < (?, ?)"
            " AND r.body ->> '$.unmeasured' IS NOT NULL"
            " ORDER BY t.created_at DESC, t.id DESC LIMIT 1",
            (thread.product, thread.created_at, thread.id),
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def report(self, thread_id: str) -> dict[str, Any]:
        """Return the totals and notes of a run; empty when it has none yet."""
        row = self._con.execute(
            "SELECT body FROM reports WHERE thread_id = ?", (thread_id,)
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}
