"""Switching a SQLite file to a write-ahead log while others open it too."""

from __future__ import annotations

import sqlite3
import time

PATIENCE_S = 30.0
PAUSE_S = 0.01


def use_write_ahead_log(con: sqlite3.Connection) -> None:
    """Switch the file to WAL; raises `sqlite3.OperationalError` when it stays locked for 30 s.

    SQLite answers "locked" at once, whatever the busy timeout, when a second opener is in the
    way: waiting inside SQLite with the read lock held would be a deadlock (sqlite.org/wal.html).
    """
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            con.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(PAUSE_S)
        else:
            return
