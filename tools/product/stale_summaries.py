"""Summaries whose table somebody replaced since: they tell what was, and nothing keeps them exact.

With the table went their triggers. A summary that is made under the same name takes their place.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from tools.messages import CHANGE, CreateSummary, TableName
from tools.product import summaries
from tools.product.catalog import Catalog, Table, read_catalog
from tools.product.change_ledger import AppliedChange, list_changes
from tools.product.contract_objects import same_table
from tools.product.summary_content import columns_of


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
    columns = columns_of(change)
    mine = table is not None and [c.name for c in table.columns] == columns
    return mine and not summaries.kept_exact(change, catalog)


def without_stale(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> Catalog:
    """Return a catalog without stale summaries, as whoever makes one there will find it."""
    stale = [change for _, change in stale_summaries(con, catalog)]
    gone = {change.summary for change in stale}
    kept = tuple(_untriggered(t, stale) for t in catalog.tables if t.name not in gone)
    return catalog.model_copy(update={"tables": kept})


def _untriggered(table: Table, stale: Iterable[CreateSummary]) -> Table:
    """Return a table without what is left of its stale summary's triggers."""
    names = {
        summaries.trigger_name(change, event)
        for change in stale
        if same_table(change.table, table.name)
        for event in summaries.EVENTS
    }
    left = tuple(t for t in table.triggers if t.name not in names)
    return table.model_copy(update={"triggers": left}) if left != table.triggers else table


def stale_under(
    con: duckdb.DuckDBPyConnection, catalog: Catalog, summary: TableName
) -> tuple[AppliedChange, ...]:
    """Return the changes whose stale summary has that name."""
    found = stale_summaries(con, catalog)
    return tuple(row for row, change in found if same_table(change.summary, summary))


def clear(con: duckdb.DuckDBPyConnection, names: Iterable[TableName]) -> None:
    """Take stale summaries of those names away, on a copy on which others will be made."""
    wanted = list(names)
    if not wanted:
        return
    catalog = read_catalog(con)
    for _, change in stale_summaries(con, catalog):
        if any(same_table(change.summary, name) for name in wanted):
            table = catalog.table(change.table)
            for statement in summaries.drop(
                change, [t.name for t in table.triggers] if table else []
            ):
                con.execute(statement)
