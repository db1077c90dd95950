"""Forgetting what finished runs leave: old checkpoints, events, delivered answers, used keys.

Never a thread that works or waits, never the last checkpoint of any, nothing that vouches for a
change (proposals, answers, outcomes, trials, trail). Every deletion is a short transaction that
holds its own condition, so it may run beside the service and be killed anywhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from graph.checkpoint_rows import DELTAS, OLDER, OLDEST_KEPT, SPACES
from graph.run_store import now
from graph.settings import Settings
from tools.failpoints import crash_point
from tools.roll_back import roll_back

BATCH = 1000
"""Events deleted in one transaction: whoever else writes waits no longer than that takes."""
PAGES = 1000
KEYS_KEPT = timedelta(days=1)
"""An answer repeated under its key within so long is always known."""
DONE = """
    SELECT t.id FROM threads AS t
    WHERE t.status IN ('done', 'failed') AND t.updated_at < :before
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS o WHERE o.thread_id = t.id AND o.delivered_at IS NULL
    )
    AND NOT EXISTS (
        SELECT 1 FROM proposals AS p WHERE p.thread_id = t.id AND NOT EXISTS (
            SELECT 1 FROM decisions AS d WHERE d.proposal_id = p.id AND d.round = p.round
        )
    )
"""
"""Runs about products that have ended, with every question answered and every answer delivered."""
BUSY = "SELECT thread_id FROM runs WHERE status IN ('pending', 'running')"
IDLE = "SELECT id FROM threads WHERE status IN ('idle', 'error') AND updated_at < :before"
EVENTS = f"""
    FROM run_events WHERE thread_id = :thread AND run_id IN (
        SELECT id FROM runs WHERE thread_id = :thread AND updated_at < :before
        AND status NOT IN ('pending', 'running')
    ) AND thread_id NOT IN ({BUSY})
"""  # noqa: S608 - our own words


class FileSize(NamedTuple):
    """Bytes of a file's pages before and after."""

    name: str
    before: int
    after: int


@dataclass
class Pruned:
    """What was deleted, or would be."""

    threads: int = 0
    checkpoints: int = 0
    writes: int = 0
    events: int = 0
    answers: int = 0
    keys: int = 0
    content_bytes: int = 0
    """Bytes of the deleted checkpoints, writes and events, without what SQLite adds."""
    files: list[FileSize] = field(default_factory=list)


@dataclass(frozen=True)
class Pruning:
    """What to keep: everything since `before`, and so many checkpoints of each thread."""

    settings: Settings
    before: datetime
    keep: int = 1
    dry_run: bool = False
    alone: bool = False
    """Whether no other process works in the home, so that a file may be rewritten."""
    stopped: Callable[[], bool] = lambda: False
    """Asked between two threads whether that is enough for now."""

    def run(self) -> Pruned:
        """Delete, give the space back, and return what went."""
        done = Pruned()
        with ExitStack() as stack:
            books = {
                name: stack.enter_context(closing(_open(path)))
                for name in ("ledger", "service", "checkpoints")
                if (path := self.settings.home / f"{name}.db").exists()
            }
            before = {name: _bytes(con) for name, con in books.items()}
            for thread in self._finished(books.get("ledger"), books.get("service")):
                if self.stopped():
                    break
                self._thread(books, thread, done)
            if "ledger" in books:
                self._ledger(books["ledger"], done)
            for name, con in books.items():
                if not self.dry_run:
                    # Its rows are few, and their order is that of their row ids: never rewritten.
                    _give_back(con, rewrite=self.alone and name != "ledger")
                done.files.append(FileSize(f"{name}.db", before[name], _bytes(con)))
        return done

    @property
    def _since(self) -> dict[str, str]:
        return {"before": self.before.isoformat()}

    def _finished(
        self, ledger: sqlite3.Connection | None, service: sqlite3.Connection | None
    ) -> list[str]:
        known, done = set[str](), set[str]()
        if ledger is not None:
            known = _ids(ledger, "SELECT id FROM threads", {})
            done = _ids(ledger, DONE, self._since)
        if service is not None:
            done |= _ids(service, IDLE, self._since) - known
            done -= _ids(service, BUSY, {})
        return sorted(done)

    def _thread(self, books: dict[str, sqlite3.Connection], thread: str, done: Pruned) -> None:
        was = (done.checkpoints, done.writes, done.events)
        if "checkpoints" in books:
            self._checkpoints(books["checkpoints"], thread, done)
        if "service" in books:
            self._events(books["service"], thread, done)
        done.threads += was != (done.checkpoints, done.writes, done.events)

    def _checkpoints(self, con: sqlite3.Connection, thread: str, done: Pruned) -> None:
        if con.execute(DELTAS, (thread,)).fetchone():
            return
        with _transaction(con, "checkpoints", self.dry_run):
            for (space,) in con.execute(SPACES, (thread,)).fetchall():
                named = {"thread": thread, "ns": space, "keep": self.keep}
                named["oldest"] = con.execute(OLDEST_KEPT, named).fetchone()[0]
                held = "length(checkpoint) + length(metadata)"
                done.checkpoints += self._delete(con, "checkpoints", (held, OLDER), named, done)
                done.writes += self._delete(con, "writes", ("length(value)", OLDER), named, done)

    def _events(self, con: sqlite3.Connection, thread: str, done: Pruned) -> None:
        named = {"thread": thread, **self._since}
        count, held = con.execute(f"SELECT count(*), sum(length(data)) {EVENTS}", named).fetchone()
        done.events += count
        done.content_bytes += held or 0
        batch = (
            f"DELETE FROM run_events WHERE (thread_id, seq) IN"  # noqa: S608 - ours
            f" (SELECT thread_id, seq {EVENTS} LIMIT {BATCH})"
        )
        while count > 0 and not self.dry_run:
            with _transaction(con, "events", False):
                count = con.execute(batch, named).rowcount

    def _ledger(self, con: sqlite3.Connection, done: Pruned) -> None:
        long_ago = min(self.before, now() - KEYS_KEPT).isoformat()
        with _transaction(con, "ledger", self.dry_run):
            sent = "DELETE FROM outbox WHERE delivered_at < ?"
            done.answers += con.execute(sent, (self.before.isoformat(),)).rowcount
            used = "DELETE FROM answer_keys WHERE at < ?"
            done.keys += con.execute(used, (long_ago,)).rowcount

    def _delete(
        self,
        con: sqlite3.Connection,
        table: str,
        what: tuple[str, str],
        named: dict[str, object],
        done: Pruned,
    ) -> int:
        held, where = what
        sums = f"SELECT coalesce(sum({held}), 0) FROM {table} {where}"  # noqa: S608 - ours
        done.content_bytes += con.execute(sums, named).fetchone()[0]
        return con.execute(f"DELETE FROM {table} {where}", named).rowcount  # noqa: S608 - ours


def _open(path: Path) -> sqlite3.Connection:
    con = sqlite3.connect(path, timeout=30, isolation_level=None)
    # After a power cut some of it has to be deleted again; the files are whole all the same.
    con.execute("PRAGMA synchronous=NORMAL")
    return con


def _ids(con: sqlite3.Connection, sql: str, given: dict[str, str]) -> set[str]:
    return {row[0] for row in con.execute(sql, given)}


@contextmanager
def _transaction(con: sqlite3.Connection, name: str, dry_run: bool) -> Iterator[None]:
    """Delete together or not at all; a dry run takes it all back."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        crash_point(f"prune.{name}.before_commit")
        con.execute("ROLLBACK" if dry_run else "COMMIT")
    except BaseException:
        roll_back(con)
        raise
    crash_point(f"prune.{name}.after_commit")


def _pragma(con: sqlite3.Connection, name: str) -> int:
    found: int = con.execute(f"PRAGMA {name}").fetchone()[0]
    return found


def _bytes(con: sqlite3.Connection) -> int:
    return _pragma(con, "page_count") * _pragma(con, "page_size")


def _give_back(con: sqlite3.Connection, *, rewrite: bool) -> None:
    """Return free pages to the disk: in short steps, or by writing an older file anew."""
    if _pragma(con, "auto_vacuum") == 2:
        while _pragma(con, "freelist_count"):
            con.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
            crash_point("prune.vacuum")
    elif rewrite and _pragma(con, "freelist_count"):
        con.execute("PRAGMA auto_vacuum = INCREMENTAL")
        con.execute("VACUUM")
        crash_point("prune.rewritten")
    # Readers may hold the log; then it is shortened the next time.
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
