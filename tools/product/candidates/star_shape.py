"""What a query that joins its fact table with others asks of that table alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlglot import exp

from tools.product.candidates.grouped import CLOCKS, group_keys
from tools.product.candidates.star import (
    Star,
    is_other,
    is_output,
    joined_tables,
    of_others,
    star_of,
)
from tools.product.catalog import Catalog, Table
from tools.product.identifiers import folded
from tools.product.structure import collated

_TWO_FACED = re.compile(
    r"\b(FLOAT|DOUBLE|REAL|INTERVAL|TIME WITH TIME ZONE|TIMETZ|BIT)\b", re.IGNORECASE
)
"""Types of which equal values may be told apart."""
_AGGREGATES = (exp.Filter, exp.IgnoreNulls, exp.AggFunc)


class Asked(NamedTuple):
    """What is asked of one table."""

    tree: exp.Select
    """A query of it: its aggregates, and as a filter all else that is read of its rows."""
    keys: tuple[exp.Expr, ...]
    """What of the table rows are grouped by."""
    grouped: bool


def asked_of_stars(tree: exp.Expr, catalog: Catalog, least: int) -> Iterator[tuple[Table, Asked]]:
    """Yield each table of `least` rows that may be a query's fact table, largest first."""
    names = (name for _, name in joined_tables(tree, catalog.database))
    tables = [t for t in map(catalog.table, names) if t is not None and t.rows >= least]
    for fact in sorted(tables, key=lambda t: -t.rows):
        star = star_of(tree, fact.name, catalog.database)
        if star is not None and _names_known(star, fact) and _others_known(star, catalog):
            asked = _asked(star, fact)
            if asked is not None:
                yield fact, asked


def _names_known(star: Star, fact: Table) -> bool:
    """Whether no name in the query could mean a column of the fact table but where it says so."""
    if not all(fact.column(name) for name in star.merged):
        return False
    for name, output in star.named.items():
        same = isinstance(output, exp.Column) and output.table and folded(output.name) == name
        if fact.column(name) is not None and not same:
            return False
    return not any(fact.column(called) for called, _ in star.sources)


def _others_known(star: Star, catalog: Catalog) -> bool:
    """Whether the other tables are this database's, and equal values in them the same."""
    for called, name in star.sources:
        if called != star.own and not _other_known(star, called, catalog.table(name)):
            return False
    return True


def _other_known(star: Star, called: str, table: Table | None) -> bool:
    if table is None or collated(table) or any(folded(c.name) in CLOCKS for c in table.columns):
        return False
    read = [c for c in star.hidden.values() if folded(c.table) == called]
    known = [table.column(c.name) for c in read]
    kinds = [c.type for c in known if c is not None]
    return len(kinds) == len(read) and not any("INTERVAL" in k or "TIME WITH" in k for k in kinds)


def _asked(star: Star, fact: Table) -> Asked | None:
    """Return what is asked of the fact table; None where a summary of it can't tell."""
    keys = group_keys(star.tree, frozenset(folded(c.name) for c in fact.columns))
    if keys is None:
        return None
    parts = [p for p in map(star.tree.args.get, ("where", "group", "having", "order")) if p]
    parts += [on for j in star.tree.args["joins"] if (on := j.args.get("on")) is not None]
    aggregates, read = _split([*star.tree.expressions, *parts])
    for found in [of for a in aggregates if (of := of_others(a)) is not None]:
        if found.weighted(exp.Literal.number(1)) is None:
            return None
        read += [found.condition.copy()] if found.condition is not None else []
    own = [a for a in aggregates if of_others(a) is None]
    read += [exp.column(name, table=star.own, quoted=True) for name in sorted(star.merged)]
    asked = exp.Select(expressions=own, where=exp.Where(this=exp.Tuple(expressions=read)))
    _forget_others(asked)
    mine = tuple(k for k in keys if all(c.table for c in k.find_all(exp.Column)))
    return Asked(asked, mine, bool(keys)) if _one_faced(asked, mine, fact) else None


def _split(parts: Sequence[exp.Expr]) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """Return the aggregates in parts of a query, and the parts without them."""
    aggregates: list[exp.Expr] = []

    def apart(node: exp.Expr) -> exp.Expr:
        if isinstance(node, _AGGREGATES):
            aggregates.append(node.copy())
            return exp.null()
        return node

    return aggregates, [part.unalias().copy().transform(apart) for part in parts]


def _forget_others(asked: exp.Select) -> None:
    """Put an unknown value in the place of what is no column of the fact table."""
    for column in list(asked.find_all(exp.Column)):
        if is_other(column) or is_output(column):
            column.replace(exp.Anonymous(this="pillion_other", expressions=[]))


def _one_faced(asked: exp.Select, keys: Sequence[exp.Expr], fact: Table) -> bool:
    """Whether equal dimensions are the same, whatever the query computes of them: no 0.0 is -0.0.

    A mean or a greatest value may be of such a type, and so may what rows are only grouped by.
    """
    grouped = {k.sql(dialect="duckdb") for k in keys}
    places = [asked.args["where"], *(f.expression for f in asked.find_all(exp.Filter))]
    for column in [c for place in places for c in place.find_all(exp.Column)]:
        known = fact.column(column.name)
        whole = isinstance(column.parent, exp.Tuple | exp.Group | exp.Ordered)
        bare = whole and column.sql(dialect="duckdb") in grouped
        if known is None or (_TWO_FACED.search(known.type) and not bare):
            return False
    return True
