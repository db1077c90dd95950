"""What a change of a type does to the views that a contract promises.

Nobody can tell from a view's text what its columns will be, so the engine is asked: both structures
are made in memory, without a row, and their views compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import duckdb
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty

from tools.messages import ChangeType, TableName, quoted
from tools.product.catalog import Catalog, Table, View
from tools.product.contract_facts import column_name, promised_views
from tools.product.references import views_reading

_Types = dict[str, str]
"""Type by column, its name in lower case."""


@dataclass(frozen=True)
class Retyped:
    """A promised column of a view, and what becomes of it."""

    promise: SchemaObject
    prop: SchemaProperty
    before: str
    after: str | None
    """None where the engine cannot tell, as of a view that calls a function of the database."""


def retyped(
    contract: OpenDataContractStandard, change: ChangeType, catalog: Catalog
) -> Iterator[Retyped]:
    """Yield each promised column of a view that a change gives another type, or may."""
    promised = list(promised_views(contract, catalog))
    called = change.table.name.lower()
    if not promised or not any(called in v.definition.lower() for v in catalog.views):
        return
    before, after = _view_types(catalog), _view_types(catalog, change)
    # One that cannot be made hides what the views on top of it read.
    unmade = {str(v.name) for v in catalog.views if v.name not in after or v.name not in before}
    hidden = unmade & set(views_reading(catalog, change.table, change.column))
    for promise, view in promised:
        for prop in promise.properties or ():
            column = column_name(prop).lower()
            if str(view.name) not in unmade:
                was, becomes = before[view.name].get(column), after[view.name].get(column)
                if was != becomes:
                    yield Retyped(promise, prop, was or "", becomes)
            elif hidden:
                yield Retyped(promise, prop, "", None)


def _view_types(catalog: Catalog, change: ChangeType | None = None) -> dict[TableName, _Types]:
    """Return the columns of all views that the engine can make without anything else."""
    changed = catalog.table(change.table) if change else None
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as con:
        names = [t.name for t in catalog.tables] + [v.name for v in catalog.views]
        for schema in {name.schema_name for name in names}:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for table in catalog.tables:
            # A type that only the database knows; the views on it are left out, then.
            with suppress(duckdb.Error):
                con.execute(_structure(table, change if table is changed else None))
        return dict(_made(con, catalog.views))


def _structure(table: Table, change: ChangeType | None) -> str:
    kinds = {c.name: c.type for c in table.columns}
    column = table.column(change.column) if change else None
    if change and column:
        kinds[column.name] = change.to_type
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    return f"CREATE TABLE {table.name.sql} ({columns})"


def _made(
    con: duckdb.DuckDBPyConnection, views: tuple[View, ...]
) -> Iterator[tuple[TableName, _Types]]:
    """Make the views, each after those it stands on, and yield their columns."""
    waiting = list(views)
    while waiting:
        left = []
        for view in waiting:
            try:
                con.execute(view.definition)
                described = con.execute(f"DESCRIBE {view.name.sql}").fetchall()
            except duckdb.Error:
                left.append(view)
            else:
                yield view.name, {name.lower(): kind for name, kind, *_ in described}
        if len(left) == len(waiting):
            return
        waiting = left
