"""Summaries whose table somebody replaced since: they tell what was, and nothing keeps them exact.

With the table went their triggers. A summary that is made under the same name takes their place.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from tools.messages import CHANGE, CreateSummary, TableName
from tools.product import summaries
from tools.product.catalog import Catalog, read_catalog
from tools.product.change_ledger import AppliedChange, list_changes
from tools.product.contract_objects import same_table


def stale_summaries(
    con: duckdb.DuckDBPyConnection, catalog: Catalog
) -> tuple[tuple[AppliedChange, CreateSummary], ...]:
    """Return the summaries made here that are still there and kept exact no more."""
    rows = [r for r in list_changes(con) if (r.kind, r.status) == ("create_summary", "applied")]
    made = [(row, CHANGE.validate_json(row.change)) for row in rows]
    return tuple(
        (row, change)
        for row, change in made
        if isinstance(change, CreateSummary) and _is_left(change, catalog)
    )


def _is_left(change: CreateSummary, catalog: Catalog) -> bool:
    """Return whether the summary's own table is there, and its triggers are not."""
    table = catalog.table(change.summary)
    columns = [d.column for d in change.dimensions] + [a.column for a in change.aggregates]
    mine = table is not None and [c.name for c in table.columns] == columns
    return mine and not summaries.kept_exact(change, catalog)


def without_stale(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> Catalog:
    """Return a catalog without stale summaries, as whoever makes one there will find it."""
    stale = {change.summary for _, change in stale_summaries(con, catalog)}
    kept = tuple(t for t in catalog.tables if t.name not in stale)
    return catalog.model_copy(update={"tables": kept})


def stale_under(
    con: duckdb.DuckDBPyConnection, catalog: Catalog, summary: TableName
) -> tuple[AppliedChange, ...]:
    """Return the changes whose stale summary has that name."""
    found = stale_summaries(con, catalog)
    return tuple(row for row, change in found if same_table(change.summary, summary))


def clear(con: duckdb.DuckDBPyConnection, names: Iterable[TableName]) -> None:
    """Take stale summaries of those names away, on a copy on which others will be made."""
    catalog = read_catalog(con)
    for name in names:
        if stale_under(con, catalog, name):
            con.execute(f"DROP TABLE IF EXISTS {name.sql}")
