"""From SQL text to facts: fingerprint, tables, and the roles columns play."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from tools.messages import TableName
from tools.product.catalog import Catalog, Table
from tools.product.column_names import Meant, Names, methods, table_of
from tools.product.column_roles import Use, record
from tools.product.errors import ParseFailed
from tools.product.identifiers import folded
from tools.product.pivot_text import as_subquery
from tools.product.workload import ColumnUse

MAX_TEXT = 100_000
_UNREADABLE = (SqlglotError, RecursionError, ValueError, AssertionError, AttributeError)
"""What sqlglot raises for text that it cannot read."""
_Uses = dict[tuple[str, str, str], Use]
"""By schema, table and column."""


@dataclass(frozen=True)
class QueryFacts:
    """What one statement reads and how."""

    fingerprint: str
    normalized: str
    tables: tuple[TableName, ...]
    columns: tuple[ColumnUse, ...]
    star: bool
    ordered: bool


def parse(sql: str) -> exp.Expr:
    """Return the tree of one statement; raises `ParseFailed`."""
    trees = [t for t in _parse_all(sql) if t is not None]
    if len(trees) != 1:
        raise ParseFailed(f"Expected one statement and found {len(trees)}.")
    return trees[0]


def split_text(text: str) -> list[str]:
    """Split a script at its semicolons with the tokenizer, leaving each statement's own text."""
    try:
        tokens = sqlglot.tokenize(text, dialect="duckdb")
    except SqlglotError:
        return text.split(";")
    parts, start = [], 0
    for token in tokens:
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            parts.append(text[start : token.start])
            start = token.end + 1
    return [*parts, text[start:]]


def analyse(sql: str, catalog: Catalog) -> QueryFacts:
    """Return the facts of one statement; raises `ParseFailed`."""
    tree = parse(sql)
    try:
        uses, tables, star = _uses(sql, tree, catalog)
        normalized = _normalized(tree)
    except (SqlglotError, RecursionError) as exc:
        raise ParseFailed(f"The statement could not be analysed: {exc}") from exc
    return QueryFacts(
        fingerprint=_digest(normalized),
        normalized=normalized,
        tables=tuple(sorted(tables, key=lambda t: (t.schema_name, t.name))),
        columns=tuple(_column_use(key, use) for key, use in sorted(uses.items())),
        star=star,
        ordered=tree.args.get("order") is not None,
    )


def uses_stored(sql: str, catalog: Catalog) -> bool:
    """Whether a statement reads a view or calls a macro; raises `ParseFailed`.

    So it does where the text of its tree would: that calls some functions by another name.
    """
    tree = parse(sql)
    try:
        scopes, texts = traverse_scope(tree), (sql, tree.sql(dialect="duckdb", comments=False))
        return any(catalog.stored.used(text, tree, scopes) for text in texts)
    except (SqlglotError, RecursionError) as exc:
        raise ParseFailed(f"The statement could not be analysed: {exc}") from exc


def fingerprint_of(sql: str) -> str:
    """Return the fingerprint of one statement alone; raises `ParseFailed`."""
    try:
        return _digest(_normalized(parse(sql)))
    except RecursionError as exc:
        raise ParseFailed("The statement is nested too deeply.") from exc
    except SqlglotError as exc:
        raise ParseFailed(f"The statement could not be analysed: {exc}") from exc


def _digest(normalized: str) -> str:
    return hashlib.sha256(normalized.encode()).hexdigest()[:12]


def _parse_all(sql: str) -> list[exp.Expr | None]:
    if len(sql) > MAX_TEXT * 50:
        raise ParseFailed("The text is too long to be read.")
    try:
        return sqlglot.parse(sql, dialect="duckdb")
    except _UNREADABLE as exc:
        readable = as_subquery(sql)
        if readable is not None:
            with suppress(*_UNREADABLE):
                return sqlglot.parse(readable, dialect="duckdb")
        first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise ParseFailed(f"Not readable as DuckDB SQL: {first}") from exc


def _normalized(tree: exp.Expr) -> str:
    def masked(node: exp.Expr) -> exp.Expr:
        return exp.Placeholder() if isinstance(node, exp.Literal) else node

    return tree.transform(masked).sql(dialect="duckdb", comments=False)


def _column_use(key: tuple[str, str, str], use: Use) -> ColumnUse:
    schema, table, column = key
    return ColumnUse(
        table=TableName(schema_name=schema, name=table),
        column=column,
        roles=tuple(sorted(use.roles)),
        operators=tuple(sorted(use.operators)),
        casts=tuple(sorted(use.casts)),
        guarded=use.guarded,
        functions=tuple(sorted(use.functions)),
    )


def _uses(sql: str, tree: exp.Expr, catalog: Catalog) -> tuple[_Uses, set[TableName], bool]:
    uses: _Uses = {}
    tables: set[TableName] = set()
    star = False
    scopes = traverse_scope(tree)
    named = _names(scopes, catalog)
    known: set[int] = set()
    unknown: set[int] = set()
    for scope in scopes:
        names = named[id(scope)]
        base = {alias: source.table for alias, source in names.sources.items()}
        tables.update(t.name for t in base.values())
        star = star or _reads_whole_rows(scope, base)
        for column in _columns(scope):
            meant = names.meant([part.name for part in column.parts])
            (unknown if meant is None else known).add(id(column))
            _record(uses, meant or (), column)
        for parts in methods(scope):
            _record(uses, names.meant(parts) or ())
        for key in _using(scope, names):
            uses.setdefault(key, Use()).roles.add("join")
    # A scope lists the names of those inside it, too, which mean nothing to it.
    star = star or bool(unknown - known)
    unseen = set(_mentioned(tree, catalog)) - tables
    under = catalog.stored.beneath(catalog.stored.used(sql, tree, scopes))
    for beneath, read in under.items():
        table = catalog.by_name[beneath]
        tables.add(table.name)
        _use(uses, table, read or ())
    star = star or bool(unseen) or None in under.values()
    return uses, tables | unseen, star


def _names(scopes: list[Scope], catalog: Catalog) -> dict[int, Names]:
    """Return what names mean in each scope; sqlglot lists the outermost last."""
    found: dict[int, Names] = {}
    for scope in reversed(scopes):
        around = found.get(id(scope.parent)) if scope.parent is not None else None
        found[id(scope)] = Names(scope, catalog, around)
    return found


def _record(uses: _Uses, meant: Iterable[Meant], column: exp.Column | None = None) -> None:
    """Add the use of what a name means; of a field's column only that it is read."""
    for table, name, itself in meant:
        use = uses.setdefault((table.name.schema_name, table.name.name, name), Use())
        if itself and column is not None:
            record(use, column)
        else:
            use.roles.add("select")


def _use(uses: _Uses, table: Table, names: Container[str]) -> None:
    """Add the columns that a view or a macro names, as read in whatever way."""
    for column in table.columns:
        if column.name.lower() in names:
            key = (table.name.schema_name, table.name.name, column.name)
            uses.setdefault(key, Use()).roles.add("select")


def _columns(scope: Scope) -> Iterator[exp.Column]:
    """Yield the columns of a scope, also those sqlglot leaves out because they may be aliases."""
    yield from scope.columns
    known = {id(c) for c in scope.columns}
    for part in ("having", "qualify", "order"):
        clause = scope.expression.args.get(part)
        for column in clause.find_all(exp.Column) if clause is not None else ():
            plain = part != "order" or not isinstance(column.parent, exp.Ordered)
            # Within an expression of ORDER BY a column comes before an alias.
            if id(column) not in known and (plain or _is_selected(column, scope)):
                yield column


def _is_selected(column: exp.Column, scope: Scope) -> bool:
    """Whether the name in ORDER BY is that of a selected column, not of an expression."""
    return any(
        isinstance(e.unalias(), exp.Column) and e.unalias().name == e.alias_or_name
        for e in scope.expression.expressions
        if folded(e.alias_or_name) == folded(column.name)
    )


def _reads_whole_rows(scope: Scope, base: dict[str, Table]) -> bool:
    """Whether columns are read that the text does not name: stars, whole rows, natural joins."""
    found = scope.expression.find_all(exp.Star, exp.Columns, exp.PositionalColumn)
    return (
        # Joins in parentheses: an alias behind them hides what is read of which.
        isinstance(scope.expression, exp.Table)
        or any(not isinstance(s.parent, exp.Count) for s in found)
        or any(j.method == "NATURAL" for j in scope.expression.args.get("joins") or ())
        or any(not c.table and folded(c.name) in base for c in _columns(scope))
    )


def _mentioned(tree: exp.Expr, catalog: Catalog) -> Iterator[TableName]:
    """Yield every table named anywhere: PIVOT and SUMMARIZE make no scopes."""
    ctes = {folded(c.alias) for c in tree.find_all(exp.CTE)}
    for source in tree.find_all(exp.Table):
        table = table_of(source, catalog)
        if table is not None and (source.db or folded(source.name) not in ctes):
            yield table.name


def _using(scope: Scope, names: Names) -> Iterator[tuple[str, str, str]]:
    for join in scope.expression.args.get("joins") or ():
        for name in join.args.get("using") or ():
            for source in names.sources.values():
                found = source.column(folded(name.name))
                if found is not None:
                    table = source.table.name
                    yield table.schema_name, table.name, found
