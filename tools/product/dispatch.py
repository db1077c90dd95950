"""What the query gateway runs instead of a text: an approved equivalent, or the text itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import duckdb

from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.rules import apply_rule
from tools.product.change_ledger import ActiveRewrite
from tools.product.errors import ParseFailed
from tools.product.fingerprint import fingerprint_of


def dispatched(con: duckdb.DuckDBPyConnection, sql: str, rewrites: Iterable[ActiveRewrite]) -> str:
    """Return the approved equivalent of `sql`, or `sql` itself."""
    text = _rewritten(sql, rewrites)
    return text if text == sql or alike(con, sql, text) else sql


def _rewritten(sql: str, rewrites: Iterable[ActiveRewrite]) -> str:
    try:
        asked = fingerprint_of(sql)
    except ParseFailed:
        return sql
    for rewrite in rewrites:
        if asked not in rewrite.fingerprints:
            continue
        if rewrite.kind == "rewrite_query":
            text = apply_rule(rewrite.change.rule, sql)
        else:
            text = answer_from_summary(sql, rewrite.change, rewrite.database)
        if text is not None:
            return text
    return sql


def alike(con: duckdb.DuckDBPyConnection, sql: str, text: str) -> bool:
    """Whether both texts give columns of the same names and types today."""
    with suppress(duckdb.Error):
        shapes = [con.execute(f"DESCRIBE {s}").fetchall() for s in (sql, text)]
        return [r[:2] for r in shapes[0]] == [r[:2] for r in shapes[1]]
    return False
