"""Ending a transaction of SQLite that failed."""

from __future__ import annotations

import sqlite3


def roll_back(con: sqlite3.Connection) -> None:
    """Take back what the transaction wrote, where SQLite has not done so itself.

    On a full disk it does, and to take back once more would be an error that hides that one.
    """
    if con.in_transaction:
        con.execute("ROLLBACK")
