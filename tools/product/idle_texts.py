"""Approved summaries and texts that answer less than they were approved for, and why."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from tools.messages import CreateSummary, change_target
from tools.product.candidates.whole_numbers import broken
from tools.product.catalog import Catalog
from tools.product.change_ledger import ApprovedText, approved_texts
from tools.product.meanings import still_meant
from tools.product.summaries import kept_exact

GONE = "its triggers are gone, with the table they were on or by themselves"
OTHERWISE = "names in its queries mean something else since a column, view or macro was added"
FRACTIONS = (
    "some rows hold another value by now than a whole number up to 1048576 in {}, and a query whose"
    " groups hold such rows runs twice, the second time as it is asked"
)


def idle_texts(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> tuple[str, ...]:
    """Say of each which of its queries are answered as they are asked, and what to do."""
    return tuple(_told(con, catalog))


def _told(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> Iterator[str]:
    for text in approved_texts(con):
        change, answers = text.change, len(text.queries)
        if isinstance(change, CreateSummary) and not kept_exact(change, catalog):
            yield _advised(text, f"answers no query any more: {GONE}")
            continue
        left = len(still_meant(change, catalog, text.before))
        if left < answers:
            what = f"{left} of its {answers} queries" if left else "no query any more"
            yield _advised(text, f"answers {what}: {OTHERWISE}")
        values = broken(con, change) if left and isinstance(change, CreateSummary) else ()
        if values:
            yield _advised(text, f"answers fewer queries: {FRACTIONS.format(', '.join(values))}")


def _advised(text: ApprovedText, what: str) -> str:
    key = text.proposal_id
    return f"{change_target(text.change)} ({key}) {what}; `pillion undo {key}` takes it back"
