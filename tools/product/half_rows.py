"""The last row of a log whose line has not ended: it may be half written, so it counts until the
log has grown, and then it is read again.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import datetime

from tools.product.workload_store import Observation, take_back


def may_be_half(row: str, mark: str) -> bool:
    """Return whether more of a row may follow: its line has not ended, or lies inside quotes."""
    if not row.endswith(("\n", "\r")):
        return True
    try:
        fields = next(csv.reader(io.StringIO(f"{row}\n", newline=""), delimiter=mark))
    except csv.Error:
        return False
    return bool(fields) and fields[-1].endswith("\n")


def note_half(con: sqlite3.Connection, path: str, digest: str, run: Observation | None) -> None:
    """Keep the last run of a log, if its row may be half written, in place of an earlier one."""
    con.execute("DELETE FROM half_rows WHERE path = ?", (path,))
    if run is not None:
        body = json.dumps(run._replace(at=run.at.isoformat()))  # type: ignore[arg-type]
        con.execute("INSERT INTO half_rows VALUES (?, ?, ?)", (path, digest, body))


def forget_half(con: sqlite3.Connection, path: str, digest: str) -> int:
    """Take back the run of a row that has grown since that import; returns how many were."""
    found = con.execute(
        "DELETE FROM half_rows WHERE path = ? AND hash = ? RETURNING body", (path, digest)
    ).fetchall()
    for (body,) in found:
        run = Observation(*json.loads(body))
        take_back(con, run._replace(at=datetime.fromisoformat(str(run.at))))
    return len(found)
