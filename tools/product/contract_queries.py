"""Quality rules that a contract states as SQL, and which columns they read.

Too much counts as read rather than too little: what a rule reads may not go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Table
from tools.product.contract_objects import (
    Names,
    Parts,
    column_name,
    names_of,
    nested,
    promised_objects,
    same_table,
)
from tools.product.stored_queries import View

_OBJECT = re.compile(r"([\"'`]?)\$?\{(?:object|table|model)\}\1")
_PROPERTY = re.compile(r"([\"'`]?)\$?\{(?:property|column|field)\}\1")
Relation = Table | View


@dataclass(frozen=True)
class Rule:
    """One rule by its path in the contract, with the names of the database in its SQL."""

    path: str
    sql: str
    schema: str
    """Where a bare name in it is looked for first."""
    home: Relation | None
    """What it is a rule of, if that exists."""


@dataclass(frozen=True)
class Reading:
    """What a rule reads of what is there."""

    relations: tuple[Relation, ...]
    columns: frozenset[tuple[TableName, str]]

    def touches(self, catalog: Catalog, table: TableName, column: str | None) -> bool:
        """Return whether it reads a column, or of a table anything, also through a view."""
        if column is None:
            direct = any(same_table(r.name, table) for r in self.relations)
        else:
            wanted = column.lower()
            direct = any(same_table(t, table) and c.lower() == wanted for t, c in self.columns)
        views = (r for r in self.relations if isinstance(r, View))
        return direct or any(catalog.stored.reaches(v, table, column) for v in views)


def rules(contract: OpenDataContractStandard, catalog: Catalog) -> Iterator[Rule]:
    """Yield the rules given as a query, once for each table that their object may mean."""
    for promise, meant in promised_objects(contract, catalog):
        path = f"schema.{promise.name}"
        for home in meant or (None,):
            yield from _of(promise.quality, path, promise, home, None)
            for prop in promise.properties or ():
                for inner in nested((prop,)):
                    where = f"{path}.properties.{prop.name}"
                    yield from _of(inner.quality, where, promise, home, inner)


def _of(
    stated: list[DataQuality] | None,
    path: str,
    promise: SchemaObject,
    home: Relation | None,
    prop: SchemaProperty | None,
) -> Iterator[Rule]:
    name = home.name.sql if home else (promise.physicalName or promise.name or "")
    for at, quality in enumerate(stated or ()):
        if quality.query:
            sql = _OBJECT.sub(lambda _: name, quality.query)
            if prop is not None:
                column = quoted(column_name(prop))
                sql = _PROPERTY.sub(lambda _, c=column: c, sql)  # type: ignore[misc]
            schema = home.name.schema_name if home else "main"
            yield Rule(f"{path}.quality.{quality.name or at}", sql, schema, home)


def told_otherwise(
    contract: OpenDataContractStandard, catalog: Catalog, table: TableName, column: str | None
) -> Iterator[tuple[str, str]]:
    """Yield path and engine of rules that only people or other engines read and that may name it.

    Those of a property are about its column, whatever they say.
    """
    for promise, meant in promised_objects(contract, catalog):
        if not any(same_table(one.name, table) for one in meant):
            continue
        path = f"schema.{promise.name}"
        for at, rule in enumerate(promise.quality or ()):
            text = str(rule.implementation or "")
            if text and (column is None or _has(text, column)):
                yield f"{path}.quality.{rule.name or at}", _reader(rule)
        for prop in promise.properties or ():
            about = column is None or column_name(prop).lower() == column.lower()
            for at, rule in enumerate((prop.quality or ()) if about else ()):
                if _unread(rule):
                    where = f"{path}.properties.{prop.name}.quality.{rule.name or at}"
                    yield where, _reader(rule)


def _unread(rule: DataQuality) -> bool:
    return rule.type in ("custom", "text") or rule.implementation is not None


def _reader(rule: DataQuality) -> str:
    return rule.engine or ("people" if rule.type == "text" else "another engine")


def readings(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[Rule, Reading]]:
    """Yield each rule with what it reads."""
    names = names_of(contract, catalog)
    for rule in rules(contract, catalog):
        yield rule, _reading(rule, names.seen_from(rule.schema))


def _reading(rule: Rule, names: Names) -> Reading:
    parsed = _parsed(rule.sql)
    if parsed is None:
        return _mentioned(rule, names)
    relations = {r.name: r for parts in parsed.tables for r in names.called(parts)}
    tables = [r for r in relations.values() if isinstance(r, Table)]
    own = {c.name.lower() for t in tables for c in t.columns}
    everything = parsed.everything or bool((parsed.plain & parsed.aliases) - own)
    columns = {
        (table.name, column.name)
        for table in tables
        for column in table.columns
        if everything or column.name.lower() in parsed.words
    }
    return Reading(tuple(relations.values()), frozenset(columns))


def _mentioned(rule: Rule, names: Names) -> Reading:
    """Return what the text of a rule that cannot be parsed has the names of."""
    found = [r for r in names.relations if r is rule.home or _has(rule.sql, r.name.name)]
    columns = {
        (r.name, column.name)
        for r in found
        if isinstance(r, Table)
        for column in r.columns
        if _has(rule.sql, column.name)
    }
    return Reading(tuple(found), frozenset(columns))


def _has(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE))


@dataclass(frozen=True)
class _Parsed:
    tables: frozenset[Parts]
    words: frozenset[str]
    """Everything that is a name in it, so also names in USING."""
    plain: frozenset[str]
    """Columns without a table in front; one called like a table is a whole row."""
    aliases: frozenset[str]
    everything: bool


@lru_cache(maxsize=512)
def _parsed(sql: str) -> _Parsed | None:
    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect="duckdb") if tree is not None]
    except (SqlglotError, RecursionError):
        return None
    if not trees or not all(isinstance(tree, exp.Query) for tree in trees):
        return None
    nodes = [node for tree in trees for node in tree.walk()]
    tables = [n for n in nodes if isinstance(n, exp.Table)]
    columns = [n for n in nodes if isinstance(n, exp.Column)]
    return _Parsed(
        tables=frozenset(tuple(p.name.lower() for p in t.parts) for t in tables if t.name),
        words=frozenset(n.name.lower() for n in nodes if isinstance(n, exp.Identifier)),
        plain=frozenset(c.name.lower() for c in columns if len(c.parts) == 1),
        aliases=frozenset(t.alias_or_name.lower() for t in tables),
        everything=any(_opens(node) for node in nodes),
    )


def _opens(node: exp.Expr) -> bool:
    """Return whether a part of a query may read columns that it does not name."""
    if isinstance(node, exp.Star):
        return not isinstance(node.parent, exp.Count)
    if isinstance(node, exp.Join):
        return node.method.upper() == "NATURAL"
    renamed = isinstance(node, exp.TableAlias) and bool(node.columns)
    return renamed or isinstance(node, exp.Columns)
