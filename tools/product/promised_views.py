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
from tools.product.catalog import Catalog, Table
from tools.product.contract_facts import column_name, promised_views
from tools.product.stored_queries import Macro, MacroForm, Stored, View

_Types = dict[str, str]
"""Type by column, its name in lower case."""


@dataclass(frozen=True)
class Retyped:
    """A promised column of a view, and what becomes of it."""

    promise: SchemaObject
    prop: SchemaProperty
    before: str
    after: str | None
    """None where the engine cannot tell, as of a view whose macro has a default."""


def retyped(
    contract: OpenDataContractStandard, change: ChangeType, catalog: Catalog
) -> Iterator[Retyped]:
    """Yield each promised column of a view that a change gives another type, or may."""
    promised = list(promised_views(contract, catalog))
    called = change.table.name.lower()
    if not promised or not any(called in s.definition.lower() for s in catalog.stored.all):
        return
    before, after = _view_types(catalog), _view_types(catalog, change)
    for promise, view in promised:
        told = view.name in before and view.name in after
        if not told and not catalog.stored.reaches(view, change.table, change.column):
            continue
        for prop in promise.properties or ():
            column = column_name(prop).lower()
            if not told:
                yield Retyped(promise, prop, "", None)
                continue
            was, becomes = before[view.name].get(column), after[view.name].get(column)
            if was != becomes:
                yield Retyped(promise, prop, was or "", becomes)


def _view_types(catalog: Catalog, change: ChangeType | None = None) -> dict[TableName, _Types]:
    """Return the columns of all views that the engine can make without anything else."""
    changed = catalog.table(change.table) if change else None
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as con:
        names = [t.name for t in catalog.tables] + [s.name for s in catalog.stored.all]
        for schema in {name.schema_name for name in names}:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for table in catalog.tables:
            # A type that only the database knows; the views on it are left out, then.
            with suppress(duckdb.Error):
                con.execute(_structure(table, change if table is changed else None))
        return dict(_made(con, catalog))


def _structure(table: Table, change: ChangeType | None) -> str:
    kinds = {c.name: c.type for c in table.columns}
    column = table.column(change.column) if change else None
    if change and column:
        kinds[column.name] = change.to_type
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    return f"CREATE TABLE {table.name.sql} ({columns})"


def _made(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> Iterator[tuple[TableName, _Types]]:
    """Make views and macros, each after those it stands on, and yield the columns of views."""
    waiting: list[Stored] = [*catalog.macros, *catalog.views]
    unmade = set(catalog.macros)
    while waiting:
        left: list[Stored] = []
        for stored in waiting:
            # Without its macro, a call might mean a function of the engine.
            missing = (catalog.stored.called(stored) & unmade) - {stored}
            types = None if missing else _make(con, stored)
            if types is None:
                left.append(stored)
            elif isinstance(stored, View):
                yield stored.name, types
            else:
                unmade.discard(stored)
        if len(left) == len(waiting):
            return
        waiting = left


def _make(con: duckdb.DuckDBPyConnection, stored: Stored) -> _Types | None:
    """Make a view or a macro and return the columns it gives; None where the engine refuses."""
    try:
        if isinstance(stored, Macro):
            con.execute(_declared(stored))
            return {}
        con.execute(stored.definition)
        described = con.execute(f"DESCRIBE {stored.name.sql}").fetchall()
    except duckdb.Error:
        return None
    return {name.lower(): kind for name, kind, *_ in described}


def _declared(macro: Macro) -> str:
    """Return the statement that makes a macro; its defaults, which nobody tells, are left out."""
    forms = (f"({', '.join(_parameters(f))}) AS {_body(macro, f)}" for f in macro.forms)
    return f"CREATE MACRO {macro.name.sql}{', '.join(forms)}"


def _parameters(form: MacroForm) -> Iterator[str]:
    for name, kind in zip(form.parameters, form.types, strict=True):
        yield f"{quoted(name)} {kind or ''}".rstrip()


def _body(macro: Macro, form: MacroForm) -> str:
    return f"TABLE {form.definition}" if macro.table else f"({form.definition})"
