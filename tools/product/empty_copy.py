"""A database's structure in memory, without a row: what the engine makes of views and queries.

Nobody can tell from a text what its columns will be, or whether it can still be asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import duckdb

from tools.messages import ChangeType, TableName, quoted
from tools.product.catalog import Catalog, Table
from tools.product.stored_queries import Macro, MacroForm, Stored, View

Types = dict[str, str]
"""Type by column, its name in lower case."""

_CAST = re.compile(
    r"(?<!TRY_)CAST\('((?:[^'\\]|''|\\.)*)' AS ([A-Z][A-Z0-9_ ]*(?:\([0-9, ]+\))?(?:\[\d*\])*)\)"
)
"""A text that is converted, in a plan as JSON."""


@dataclass(frozen=True)
class EmptyCopy:
    """A structure with the columns of all views that can be made without anything else."""

    con: duckdb.DuckDBPyConnection
    views: dict[TableName, Types]

    def answers(self, sql: str, schema: str) -> bool:
        """Return whether a query can be asked in a schema and can succeed; it is not run."""
        path = f"{quoted(schema)},main".replace("'", "''")
        try:
            # Unoptimized, so that no constant of a rule is computed here.
            self.con.execute(f"SET search_path = '{path}'; PRAGMA disable_optimizer")
            (statement,) = self.con.extract_statements(sql)
            if statement.type != duckdb.StatementType.SELECT:
                return False
            plans = self.con.execute(f"EXPLAIN (FORMAT json) {statement.query}").fetchall()
            wanted = [found for _, plan in plans for found in _texts(plan).items()]
            return all(self._converts(kind, texts) for kind, texts in wanted)
        except (duckdb.Error, ValueError, TypeError):
            # The binding takes no text that isn't Unicode.
            return False

    def _converts(self, kind: str, texts: set[str]) -> bool:
        lost = f"SELECT count(*) FROM unnest(?::VARCHAR[]) AS t(x) WHERE TRY_CAST(x AS {kind})"
        return self.con.execute(f"{lost} IS NULL", [list(texts)]).fetchall() == [(0,)]


def _texts(plan: str) -> dict[str, set[str]]:
    """Return the texts that a plan has the engine convert, by type."""
    found: dict[str, set[str]] = {}
    for text, kind in _CAST.findall(plan):
        found.setdefault(kind, set()).add(json.loads(f'"{text}"').replace("''", "'"))
    return found


@contextmanager
def empty_copy(catalog: Catalog, change: ChangeType | None = None) -> Iterator[EmptyCopy]:
    """Make the structure of a database, or what it would be after a change, and drop it again."""
    changed = catalog.table(change.table) if change else None
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as con:
        names = [t.name for t in catalog.tables] + [s.name for s in catalog.stored.all]
        for schema in {name.schema_name for name in names}:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for table in catalog.tables:
            # A type that only the database knows; the views on it are left out, then.
            with suppress(duckdb.Error):
                con.execute(_structure(table, change if table is changed else None))
        yield EmptyCopy(con, dict(_made(con, catalog)))


def _structure(table: Table, change: ChangeType | None) -> str:
    kinds = {c.name: c.type for c in table.columns}
    column = table.column(change.column) if change else None
    if change and column:
        kinds[column.name] = change.to_type
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    return f"CREATE TABLE {table.name.sql} ({columns})"


def _made(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> Iterator[tuple[TableName, Types]]:
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


def _make(con: duckdb.DuckDBPyConnection, stored: Stored) -> Types | None:
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
