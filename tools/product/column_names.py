"""Which columns of which tables the names in a query mean, as DuckDB looks them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from tools.messages import TableName
from tools.product.catalog import Catalog, Table
from tools.product.identifiers import folded

_NO_COLUMNS = frozenset({"rowid", "user"})
"""What DuckDB knows without a column of that name."""
_SYSTEM = frozenset({"information_schema", "pg_catalog", "system", "temp", "pillion"})


class Meant(NamedTuple):
    """A column that a name means, or of which it means a field."""

    table: Table
    column: str
    itself: bool
    """Whether it is the column itself, not a field of it or what a method makes of it."""


class _Source(NamedTuple):
    """A table in a FROM, whose alias may give its first columns other names."""

    table: Table
    renamed: dict[str, str]

    def column(self, name: str) -> str | None:
        """Return the column that a name means here, in lower case."""
        if name in self.renamed:
            return self.renamed[name]
        found = self.table.column(name)
        return None if found is None or found.name in self.renamed.values() else found.name


class Names:
    """What names mean in one scope, and where they are not known, in those around it."""

    def __init__(self, scope: Scope, catalog: Catalog, around: Names | None) -> None:
        self._around = around
        self.sources = dict(_sources(scope, catalog))
        named = {folded(name) for name, _ in scope.references}
        self._others = named - self.sources.keys()
        """Sources that are no tables: what their columns come from is a scope of its own."""
        self._made = _made(scope)

    def meant(self, parts: Sequence[str]) -> tuple[Meant, ...] | None:
        """Return the columns that the parts of a name mean; None where that is not known."""
        names = [folded(p) for p in parts]
        at = self
        known = names[-1] in _NO_COLUMNS
        while True:
            found = at._meant(names)
            if found:
                return found
            known = known or at._knows(names)
            if at._around is None:
                return () if known or not self.sources else None
            at = at._around

    def _meant(self, names: list[str]) -> tuple[Meant, ...]:
        if len(names) == 1:
            # Unqualified names are unique, or come from USING and then mean every holder.
            return tuple(self._holders(names, itself=True))
        for at, name in enumerate(names[:-1]):
            source = self.sources.get(name)
            column = source.column(names[at + 1]) if source is not None else None
            if source is not None and column is not None:
                return (Meant(source.table, column, at + 2 == len(names)),)
        return tuple(self._holders(names[:-1], itself=False))

    def _holders(self, names: list[str], *, itself: bool) -> Iterator[Meant]:
        for source in self.sources.values():
            for name in names:
                column = source.column(name)
                if column is not None:
                    yield Meant(source.table, column, itself)

    def _knows(self, names: list[str]) -> bool:
        """Whether a name may mean something here that is no column of a table."""
        if len(names) == 1:
            return bool(self._others) or names[0] in self._made
        return any(n in self._others for n in names[:-1])


def table_of(source: exp.Table, catalog: Catalog) -> Table | None:
    """Return the table of the product that a name in a FROM means, if it does."""
    found = catalog.table(TableName(schema_name=source.db or "main", name=source.name))
    first = folded(source.db)
    if found is not None or not first or source.catalog or first in _SYSTEM:
        return found
    if any(folded(n.schema_name) == first for n in _stored(catalog)):
        return None
    # What is no schema may be the name of the database.
    return catalog.table(TableName(name=source.name))


def methods(scope: Scope) -> Iterator[list[str]]:
    """Yield the names before a method: `name.upper()` is no column to sqlglot."""
    for dot in scope.find_all(exp.Dot):
        parts = list(dot.this.flatten()) if isinstance(dot.this, exp.Dot) else [dot.this]
        called = not isinstance(dot.expression, exp.Identifier)
        if called and all(isinstance(p, exp.Identifier) for p in parts):
            yield [p.name for p in parts]


def _stored(catalog: Catalog) -> Iterator[TableName]:
    yield from (t.name for t in catalog.tables)
    yield from (v.name for v in catalog.views)


def _sources(scope: Scope, catalog: Catalog) -> Iterator[tuple[str, _Source]]:
    for alias, source in scope.sources.items():
        table = table_of(source, catalog) if isinstance(source, exp.Table) else None
        if table is not None and isinstance(source, exp.Table):
            given = (folded(n) for n in source.alias_column_names)
            columns = (c.name for c in table.columns)
            yield folded(alias), _Source(table, dict(zip(given, columns, strict=False)))


def _made(scope: Scope) -> frozenset[str]:
    """Return the names that a query gives to its own expressions."""
    tree = scope.expression
    selected = tree.expressions if isinstance(tree, exp.Select) else ()
    given = (e.alias for e in selected if e.alias)
    loops = tree.find_all(exp.Comprehension)
    looped = (n.name for c in loops for n in (c.expression, c.args.get("position")) if n)
    return frozenset(folded(n) for n in (*given, *looped))
