"""Whether the queries that approved texts answer mean today what they meant when these were made.

A column that is added may be called like a function without parentheses (`current_date`), or like a
name that a query gives; a macro like any function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.messages import CreateSummary, RewriteQuery
from tools.product.candidates.grouped import CLOCKS
from tools.product.catalog import Catalog, Table
from tools.product.errors import ParseFailed
from tools.product.fingerprint import uses_stored
from tools.product.identifiers import folded
from tools.product.summaries import WRITTEN_WITH


def still_meant(
    change: CreateSummary | RewriteQuery, catalog: Catalog, before: Table | None
) -> tuple[str, ...]:
    """Return the queries of a change that its texts may still answer.

    `before` is its table as it was then.
    """
    if isinstance(change, RewriteQuery):
        # A column is the same one in both texts, whatever else is there.
        return tuple(_plain([change.original], catalog))
    if not list(_plain([WRITTEN_WITH], catalog)):
        return ()
    added = _added(before, catalog.table(change.table))
    clocks = [(t.name.name, c.name) for t in catalog.tables for c in t.columns
              if folded(c.name) in CLOCKS]  # fmt: skip
    asked = [old for old, _ in change.rewrites]
    return tuple(
        q
        for q in _plain(asked, catalog)
        if not any(_names(q, c) for c in added)
        and not any(_names(q, joined) and _names(q, c) for joined, c in clocks)
    )


def _plain(queries: Iterable[str], catalog: Catalog) -> Iterator[str]:
    """Yield the queries that read no view and call no macro, as all did that were measured."""
    for query in queries:
        try:
            if not (catalog.stored.all and uses_stored(query, catalog)):
                yield query
        except ParseFailed:
            continue


def _added(before: Table | None, now: Table | None) -> list[str]:
    if before is None or now is None:
        return []
    return [c.name for c in now.columns if before.column(c.name) is None]


def _names(query: str, column: str) -> bool:
    """Whether a query may name a column, in whatever way."""
    name = re.escape(column.replace('"', '""'))
    return bool(re.search(rf"(?<!\w){name}(?!\w)", query, re.IGNORECASE))
