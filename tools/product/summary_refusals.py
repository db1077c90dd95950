"""Whether a summary would refuse rows that its table takes and no query fails on.

Its triggers compute its expressions for every row that is written. A cast fails there for a value
that does not fit, and arithmetic that overflows, and with it the write; without the summary only
queries fail that meet such a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import CreateSummary, TableName
from tools.product.candidates.star import star_of
from tools.product.catalog import Table
from tools.product.logical_types import is_text, normal_type
from tools.product.number_types import fits, narrow, type_of

_SOME_ROWS = (exp.Case, exp.Filter, exp.And, exp.Or, exp.Coalesce)


class Refusal(NamedTuple):
    """What a summary would refuse later rows for."""

    reason: str
    hint: str
    column: str


def refused_rows(change: CreateSummary, table: Table) -> Refusal | None:
    """Return why a summary might refuse later rows, if it might.

    Nothing is refused that a query which the summary serves computes in every row: a value that
    does not fit would break that query already.
    """
    expressions = [d.expression for d in change.dimensions]
    expressions += [a.argument for a in change.aggregates if a.argument]
    risks = {k: r for text in expressions for k, r in _risks(_parsed(text), table)}
    for original, _ in change.rewrites:
        for key, _ in _risks(_of_every_row(original, change.table), table):
            risks.pop(key, None)
    return risks[min(risks)] if risks else None


@lru_cache(maxsize=512)
def _parsed(sql: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None


def _risks(tree: exp.Expr | None, table: Table) -> Iterator[tuple[str, Refusal]]:
    """Yield what may fail for a row, each with a key that is the same wherever it stands."""
    for node in tree.walk() if tree else ():
        risk = _risk(node, table)
        if risk is not None:
            yield _key(node), risk


def _risk(node: exp.Expr, table: Table) -> Refusal | None:
    """Return why a node may fail for a row; TRY_CAST gives NULL instead."""
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Neg):
        kind = type_of(node, table)
        name = _column(node, table)
        if kind is None or name is None or not narrow(kind):
            return None
        return Refusal(
            f"compute {_shown(node)} as {kind}, which may overflow",
            f"Store {name} as BIGINT first.",
            name,
        )
    if not isinstance(node, exp.Cast | exp.StrToTime) or isinstance(node, exp.TryCast):
        return None
    name = _column(node, table)
    source = type_of(node.this, table) or _text_below(node, table)
    if name is None or source is None:
        return None
    if is_text(source):
        harmless = isinstance(node, exp.Cast) and is_text(_target(node))
        reason, hint = f"cast {name}, which is text", f"Store {name} as another type first."
    else:
        harmless = not isinstance(node, exp.Cast) or fits(source, _target(node))
        what = name if isinstance(node.this, exp.Column) else _shown(node.this)
        reason = f"cast {what}, which is {source}, to {_target(node)}"
        hint = f"Store {name} as {_target(node)} first."
    return None if harmless else Refusal(reason, hint, name)


def _target(cast: exp.Expr) -> str:
    return normal_type(cast.args["to"].sql(dialect="duckdb"))


def _column(node: exp.Expr, table: Table) -> str | None:
    """Return the first column of the table below a node, as it is spelled there."""
    found = (table.column(c.name) for c in node.find_all(exp.Column))
    return next((c.name for c in found if c is not None), None)


def _text_below(cast: exp.Expr, table: Table) -> str | None:
    """Return the type of text that a cast reads through functions, but no other cast."""
    for column in cast.find_all(exp.Column):
        known = table.column(column.name)
        nearest = column.find_ancestor(exp.Cast, exp.StrToTime)
        if known is not None and is_text(known.type) and nearest is cast:
            return known.type
    return None


def _key(node: exp.Expr) -> str:
    plain = node.copy()
    for column in plain.find_all(exp.Column):
        column.replace(exp.column(exp.to_identifier(column.name.lower(), quoted=True)))
    return str(plain.sql(dialect="duckdb", comments=False))


def _shown(node: exp.Expr) -> str:
    return " ".join(node.sql(dialect="duckdb", comments=False).split())[:100]


@lru_cache(maxsize=256)
def _of_every_row(sql: str, name: TableName) -> exp.Expr | None:
    """Return what a query computes in whatever rows a table has.

    Behind a filter, which a HAVING becomes too, only some rows come to what is computed; the filter
    itself sees them all. So it is behind joins, and a filter of joined rows may come later.
    """
    tree = _parsed(sql)
    if isinstance(tree, exp.Select) and tree.args.get("joins"):
        star = star_of(tree, name, "")
        tree = star.tree if star is not None and star.of_every_row else None
    if not isinstance(tree, exp.Select):
        return None
    where = tree.args.get("where")
    narrowed = where is not None or tree.args.get("having") is not None
    seen = [where] if narrowed else [*tree.expressions, tree.args.get("group")]
    return _anyhow([part for part in seen if part is not None])


def _anyhow(parts: Iterable[exp.Expr]) -> exp.Expr:
    """Return parts without what is computed for some rows only.

    Within CASE, FILTER or COALESCE, and of several conditions, each may see what another has left.
    """
    bare = exp.Tuple(expressions=[part.copy() for part in parts])
    for some in list(bare.find_all(*_SOME_ROWS)):
        if some.find_ancestor(*_SOME_ROWS) is None:
            several = isinstance(some, exp.And | exp.Or)
            some.replace(_in_each(some) if several else exp.Null())
    return bare


def _in_each(conditions: exp.Expr) -> exp.Expr:
    """Return what each of several conditions computes: whichever is first sees every row."""
    each = [{_key(n): n for n in _anyhow([c]).walk()} for c in conditions.flatten()]
    shared = set(each[0]).intersection(*each[1:])
    return exp.Tuple(expressions=[n.copy() for k, n in each[0].items() if k in shared])
