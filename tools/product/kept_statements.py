"""Queries as the engine has parsed them, so that a text which is asked again need not be parsed.

Only what was read is kept, no plan: names, types and rows are looked up anew each time it runs.
A plan would outlive what it was made for. `EXECUTE` of a text that reads a table plans it anew in
DuckDB 2.0, and answers from what a view or macro was at its `PREPARE` where the text reads none.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import duckdb

ROOM = 500_000
"""Characters of all texts together; what is read of one takes 40 bytes for each."""
LONGEST = 20_000
"""Characters of one text."""


class KeptStatements:
    """Statements by text; those that were not asked for longest go. Threads may share it."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._taken = 0
        self._kept = OrderedDict[str, duckdb.Statement | str | None]()
        """None where a text was seen once: most that differ in a value never come again."""
        self._lock = threading.Lock()

    def of(self, con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | str:
        """Return what `con` is to run for a text: from its second time on a statement.

        The engine copies one before it runs it, so that any number may run at once.
        """
        if len(sql) > LONGEST:
            return sql
        with self._lock:
            seen = sql in self._kept
            found = self._asked(sql)
        if found is None and seen:
            found = _parsed(con, sql)
            with self._lock:
                if sql in self._kept:
                    self._kept[sql] = found
        return sql if found is None else found

    def _asked(self, sql: str) -> duckdb.Statement | str | None:
        """Note that a text is asked for now, and return what is kept of it."""
        if sql in self._kept:
            self._kept.move_to_end(sql)
            return self._kept[sql]
        self._kept[sql] = None
        self._taken += len(sql)
        while self._taken > self._room:
            oldest, _ = self._kept.popitem(last=False)
            self._taken -= len(oldest)
        return None


def _parsed(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | str:
    """Return a SELECT as a statement; a PIVOT that the engine makes several of stays a text."""
    found = con.extract_statements(sql)
    alone = len(found) == 1 and found[0].type == duckdb.StatementType.SELECT
    return found[0] if alone else sql
