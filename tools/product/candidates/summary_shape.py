"""What a grouped query needs of a summary that is to answer it exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp

from tools.messages import TableName
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.grains import GRAINS, Grain, exact, grain_of, reading, truncated
from tools.product.candidates.grouped import (
    CLOCKS,
    Keys,
    conditional,
    deterministic,
    group_keys,
    key_of,
    parse_part,
    plain,
    single_table,
)
from tools.product.candidates.means import inexact_mean
from tools.product.candidates.star_shape import Asked, asked_of_stars
from tools.product.candidates.whole_numbers import aggregates_of, double, mistaken
from tools.product.catalog import Table
from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse, uses_stored
from tools.product.identifiers import folded
from tools.product.logical_types import is_text, zoned
from tools.product.number_types import type_of
from tools.product.structure import collated
from tools.product.summaries import exact_sum
from tools.product.workload import QueryPattern

MIN_ROWS = 20_000
_TWO_ORDERS = re.compile(r"\bTIME WITH TIME ZONE\b|\bTIMETZ\b|\bBIT\b", re.IGNORECASE)
_OF_PARTS = ("STRUCT(", "MAP(", "UNION(", "VARIANT", "GEOMETRY")


class SummaryShape(NamedTuple):
    """What a grouped query needs of a summary."""

    pattern: QueryPattern
    table: TableName
    choices: tuple[frozenset[str], ...]
    """Dimensions that serve it, each choice by itself, coarsest first."""
    plain: frozenset[str]
    """The choice that takes moments as they are, as far as none of fewer dimensions does."""
    aggregates: frozenset[tuple[str, str]]
    inexact: str | None = None
    """A mean that could differ in its last digits."""
    unfit: str | None = None
    """Why its table gets no summary."""

    def served_by(self, dimensions: frozenset[str]) -> bool:
        """Whether a summary with these dimensions holds what the query needs."""
        return any(choice <= dimensions for choice in self.choices)


def shape_of(context: CandidateContext, pattern: QueryPattern) -> SummaryShape | None:
    """Return what a query needs of a summary; None for one that no summary can answer."""
    try:
        return _shape(context, pattern)
    except (ParseFailed, RecursionError):
        return None


def _shape(context: CandidateContext, pattern: QueryPattern) -> SummaryShape | None:
    tree = parse(pattern.sql)
    name = single_table(tree, context.catalog.database)
    if uses_stored(pattern.sql, context.catalog):
        # A macro may be called like a function, and read what no trigger watches.
        return None
    table = context.catalog.table(name) if name else None
    if table is not None and isinstance(tree, exp.Select) and table.rows >= MIN_ROWS:
        keys = group_keys(tree, frozenset(folded(c.name) for c in table.columns))
        asked = Asked(tree, tuple(keys), bool(keys)) if keys is not None else None
        return _shape_of_one(pattern, table, asked)
    stars = asked_of_stars(tree, context.catalog, MIN_ROWS)
    shapes = [_shape_of_one(pattern, fact, asked) for fact, asked in stars]
    found = [s for s in shapes if s is not None]
    return min(found, key=lambda s: bool(s.inexact or s.unfit), default=None)


def _shape_of_one(pattern: QueryPattern, table: Table, asked: Asked | None) -> SummaryShape | None:
    aggregates = _aggregates(asked.tree, table) if asked is not None else None
    if asked is None or aggregates is None:
        return None
    tree, keys = asked.tree, asked.keys
    choices = _choices(tree, keys, table)
    if not choices:
        return None
    plain = next((c for c in choices if c <= _dimensions(tree, keys, table, None)), choices[0])
    inexact = inexact_mean(tree, table, grouped=asked.grouped)
    kept = frozenset(aggregates)
    return SummaryShape(pattern, table.name, choices, plain, kept, inexact, _unfit(table))


def _unfit(table: Table) -> str | None:
    """Return why a table gets no summary, whatever is asked of it."""
    if table.triggers:
        return "it has triggers, and the engine (DuckDB 2.0) fails at every write with more of them"
    if any(folded(c.name) in CLOCKS for c in table.columns):
        # To the engine such a name is the column, to the tree it is the clock.
        return f"a column is called like a clock ({', '.join(sorted(CLOCKS))})"
    if collated(table):
        return "it declares a collation, to which texts are equal that a summary tells apart"
    return None


def _choices(
    tree: exp.Select, keys: Sequence[exp.Expr], table: Table
) -> tuple[frozenset[str], ...]:
    """Return the dimensions that serve a query: with moments by a grain, or all as they are."""
    found: list[frozenset[str]] = []
    for grain in (*reversed(GRAINS), None):
        dimensions = _dimensions(tree, keys, table, grain)
        fewer = any(choice <= dimensions for choice in found)
        parts = [parse_part(d) for d in dimensions]
        if not fewer and all(storable(p, table) and not _nested(p, table) for p in parts):
            found.append(dimensions)
    return tuple(found)


def _dimensions(
    tree: exp.Select, keys: Sequence[exp.Expr], table: Table, grain: Grain | None
) -> frozenset[str]:
    names = {key_of(k) for k in keys}
    kept = {d for k in keys for d in _told(k, grain, names, table) or {key_of(k)}}
    return frozenset(kept | _filter_columns(tree, kept, grain, names, table))


def _told(part: exp.Expr, grain: Grain | None, keys: Keys, table: Table) -> set[str]:
    """Return the truncated moments that tell an expression whole; none where they don't."""
    read = [n for n in part.walk() if _truncated(n, grain, keys, table)]
    inside = {id(c) for n in read for c in n.find_all(exp.Column)}
    if part.find(exp.AggFunc) or not all(id(c) in inside for c in part.find_all(exp.Column)):
        return set()
    return {d for n in read if (d := _truncated(n, grain, keys, table))}


def _truncated(node: exp.Expr, grain: Grain | None, keys: Keys, table: Table) -> str | None:
    """Return the dimension of a grain that tells what an expression reads of a moment.

    A month only where the query groups by it, and of no filter: the next one begins on another day.
    """
    found = reading(node) if grain else None
    if found is None or grain is None or grain.upper() not in found.grains:
        return None
    if grain == "month" and found.compared:
        return None
    node = truncated(grain, found.moment)
    free = grain != "month" and exact(found.moment, table)
    grouped = key_of(node) in keys and grain_of(node, table) is not None
    return key_of(node) if free or grouped else None


def storable(node: exp.Expr, table: Table) -> bool:
    """Whether an expression can be stored: of this table's columns, and the same next year."""
    columns = [table.column(c.name) for c in node.find_all(exp.Column)]
    if not deterministic(node) or None in columns or _ambiguous(node, table):
        return False
    # What day an instant lies in depends on the session's time zone.
    instants = any(c is not None and zoned(c.type) for c in columns)
    return isinstance(node, exp.Column) or not instants


def _nested(node: exp.Expr, table: Table) -> bool:
    """Whether a dimension is a value of parts, of which the engine makes no unique key."""
    kind = type_of(node, table) or ""
    return kind.endswith("]") or kind.startswith(_OF_PARTS)


def _ambiguous(node: exp.Expr, table: Table) -> bool:
    """Whether equal values may be told apart: a month is thirty days, and which stays is chance."""
    casts = (c.to.sql(dialect="duckdb") for c in node.find_all(exp.Cast, exp.TryCast))
    columns = (table.column(c.name) for c in node.find_all(exp.Column))
    return any("INTERVAL" in kind.upper() for kind in (*casts, *(c.type for c in columns if c)))


def _filter_columns(
    tree: exp.Select, dimensions: set[str], grain: Grain | None, keys: Keys, table: Table
) -> set[str]:
    """Return what conditions need, unless a grouping expression already holds it."""
    needed: set[str] = set()
    filters = [f for f in tree.find_all(exp.Filter) if _conditional(f, table) is None]
    conditions = [tree.args.get("where"), *(f.expression for f in filters)]
    for condition in conditions:
        if condition is None:
            continue
        told = [(n, _truncated(n, grain, keys, table)) for n in condition.walk()]
        covered = [n for n, d in told if d or _is_key(n, dimensions)]
        needed |= {d for n, d in told if d and not _is_key(n, dimensions)}
        inside = {id(c) for n in covered for c in n.find_all(exp.Column)}
        needed |= {key_of(c) for c in condition.find_all(exp.Column) if id(c) not in inside}
    return needed


def _conditional(node: exp.Filter, table: Table) -> exp.AggFunc | None:
    """Return the aggregate to store for a filtered one; None where its condition can't be.

    Storing it evaluates the condition on every row that is written, which must not fail.
    """
    narrow = conditional(node)
    condition = node.expression.this
    columns = [
        table.column(c.this.name) for c in condition.find_all(exp.Cast) if type(c) is exp.Cast
    ]
    if narrow is None or any(c is None or is_text(c.type) for c in columns):
        return None
    return narrow if storable(condition, table) else None


def _is_key(node: exp.Expr, dimensions: set[str]) -> bool:
    skip = (exp.Literal, exp.Identifier, exp.Where)
    return not isinstance(node, skip) and key_of(node) in dimensions


def _aggregates(tree: exp.Select, table: Table) -> set[tuple[str, str]] | None:
    """Return the stored aggregates a query needs, or None when one cannot be exact."""
    needed: set[tuple[str, str]] = set()
    for found in tree.find_all(exp.AggFunc):
        filtered = (
            _conditional(found.parent, table) if isinstance(found.parent, exp.Filter) else None
        )
        node = filtered or found
        argument = node.this
        star = argument is None or isinstance(argument, exp.Star)
        key = "" if star else key_of(argument)
        if not plain(node):
            return None
        if not star and not (isinstance(argument, exp.Literal) or storable(argument, table)):
            return None
        match node:
            case exp.Count():
                needed.add(("count", key))
            case exp.Sum() | exp.Avg() if _exact(argument, table):
                needed.add(("sum", key))
                needed.add(("count", key))
            case exp.Sum() | exp.Avg() if double(argument, table):
                needed |= aggregates_of(argument)
            case exp.Min() | exp.Max() if not star and not disordered(argument, table):
                needed.add(("min" if isinstance(node, exp.Min) else "max", key))
            case _:
                return None
    return needed


def disordered(argument: exp.Expr, table: Table) -> bool:
    """Whether `least` may choose another value than `min`, of a type or of one inside it.

    DuckDB 2.0 orders times with an offset both ways, and bits of different lengths.
    """
    columns = (table.column(c.name) for c in argument.find_all(exp.Column))
    casts = (c.to.sql(dialect="duckdb") for c in argument.find_all(exp.Cast, exp.TryCast))
    return any(_TWO_ORDERS.search(kind) for kind in (*casts, *(c.type for c in columns if c)))


def _exact(argument: exp.Expr | None, table: Table) -> bool:
    """Whether sums of a column, straight, cast or chosen, don't depend on the order of rows."""
    if not isinstance(argument, exp.Column | exp.Cast | exp.Case):
        return False
    return exact_sum(argument, table) and not mistaken(argument, table)
