"""From SQL text to facts: fingerprint, tables, and the roles columns play."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from tools.messages import TableName
from tools.product.catalog import Catalog, Table
from tools.product.column_roles import Use, record
from tools.product.errors import ParseFailed
from tools.product.workload import ColumnUse

MAX_TEXT = 100_000
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|COPY)\b", re.IGNORECASE)
_WRITERS = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy)


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
    """Whether a statement reads a view or calls a macro; raises `ParseFailed`."""
    tree = parse(sql)
    try:
        return bool(catalog.stored.used(sql, tree, traverse_scope(tree)))
    except (SqlglotError, RecursionError) as exc:
        raise ParseFailed(f"The statement could not be analysed: {exc}") from exc


def written_table(sql: str, catalog: Catalog) -> TableName | None:
    """Return the table of the product that a statement writes to, if it does."""
    if not _WRITES.match(sql):
        return None
    try:
        tree = parse(sql)
    except ParseFailed:
        return None
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(tree, _WRITERS) or not isinstance(target, exp.Table):
        return None
    table = catalog.table(TableName(schema_name=target.db or "main", name=target.name))
    return table.name if table else None


def fingerprint_of(sql: str) -> str:
    """Return the fingerprint of one statement alone; raises `ParseFailed`."""
    try:
        return _digest(_normalized(parse(sql)))
    except RecursionError as exc:
        raise ParseFailed("The statement is nested too deeply.") from exc


def _digest(normalized: str) -> str:
    return hashlib.sha256(normalized.encode()).hexdigest()[:12]


def _parse_all(sql: str) -> list[exp.Expr | None]:
    if len(sql) > MAX_TEXT * 50:
        raise ParseFailed("The text is too long to be read.")
    try:
        return sqlglot.parse(sql, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError, AssertionError) as exc:
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


def _uses(
    sql: str, tree: exp.Expr, catalog: Catalog
) -> tuple[dict[tuple[str, str, str], Use], set[TableName], bool]:
    uses: dict[tuple[str, str, str], Use] = {}
    tables: set[TableName] = set()
    star = False
    scopes = traverse_scope(tree)
    for scope in scopes:
        base = dict(_base_tables(scope, catalog))
        tables.update(t.name for t in base.values())
        star = star or _reads_whole_rows(scope, base)
        for column in _columns(scope):
            for table in _resolve(column, base):
                found = table.column(column.name)
                if found is not None:
                    key = (table.name.schema_name, table.name.name, found.name)
                    record(uses.setdefault(key, Use()), column)
        for table, name in _using(scope, base):
            key = (table.name.schema_name, table.name.name, name)
            uses.setdefault(key, Use()).roles.add("join")
    unseen = set(_mentioned(tree, catalog)) - tables
    under = catalog.stored.beneath(catalog.stored.used(sql, tree, scopes))
    for beneath, names in under.items():
        table = catalog.by_name[beneath]
        tables.add(table.name)
        _use(uses, table, names or ())
    star = star or bool(unseen) or None in under.values()
    return uses, tables | unseen, star


def _use(uses: dict[tuple[str, str, str], Use], table: Table, names: Container[str]) -> None:
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
            if id(column) not in known and (part != "order" or _is_selected(column, scope)):
                yield column


def _is_selected(column: exp.Column, scope: Scope) -> bool:
    """Whether the name in ORDER BY is that of a selected column, not of an expression."""
    return any(
        isinstance(e.unalias(), exp.Column) and e.unalias().name == e.alias_or_name
        for e in scope.expression.expressions
        if e.alias_or_name.lower() == column.name.lower()
    )


def _reads_whole_rows(scope: Scope, base: dict[str, Table]) -> bool:
    """Whether columns are read that the text does not name: stars, whole rows, natural joins."""
    found = scope.expression.find_all(exp.Star, exp.Columns)
    return (
        any(not isinstance(s.parent, exp.Count) for s in found)
        or any(j.method == "NATURAL" for j in scope.expression.args.get("joins") or ())
        or any(not c.table and c.name.lower() in base for c in _columns(scope))
    )


def _mentioned(tree: exp.Expr, catalog: Catalog) -> Iterator[TableName]:
    """Yield every table named anywhere: PIVOT and SUMMARIZE make no scopes."""
    ctes = {c.alias.lower() for c in tree.find_all(exp.CTE)}
    for source in tree.find_all(exp.Table):
        table = catalog.table(TableName(schema_name=source.db or "main", name=source.name))
        if table is not None and (source.db or source.name.lower() not in ctes):
            yield table.name


def _base_tables(scope: Scope, catalog: Catalog) -> Iterator[tuple[str, Table]]:
    for alias, source in scope.sources.items():
        if isinstance(source, exp.Table):
            name = TableName(schema_name=source.db or "main", name=source.name)
            table = catalog.table(name)
            if table is not None:
                yield alias.lower(), table


def _resolve(column: exp.Column, base: dict[str, Table]) -> Iterator[Table]:
    if column.table:
        table = base.get(column.table.lower())
        if table is not None:
            yield table
        return
    holders = [t for t in base.values() if t.column(column.name) is not None]
    # Unqualified names are unique, or come from USING and then mean every holder.
    yield from holders


def _using(scope: Scope, base: dict[str, Table]) -> Iterator[tuple[Table, str]]:
    for join in scope.expression.args.get("joins") or ():
        for name in join.args.get("using") or ():
            for table in base.values():
                found = table.column(name.name)
                if found is not None:
                    yield table, found.name
