"""Whether a summary would refuse rows that its table takes and no query fails on.

Its triggers compute its expressions for every row that is written. A cast of text fails there for a
value that does not fit, and with it the write; without the summary only queries fail that meet it.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import CreateSummary
from tools.product.catalog import Table
from tools.product.logical_types import is_text


def refused_text(change: CreateSummary, table: Table) -> str | None:
    """Return a column of text whose later values a summary might refuse, if there is any.

    None is refused where a query that the summary serves reads the same cast in every row: a value
    that does not fit would break that query already.
    """
    texts = {c.name.lower() for c in table.columns if is_text(c.type)}
    expressions = [d.expression for d in change.dimensions]
    expressions += [a.argument for a in change.aggregates if a.argument]
    cast = {c for text in expressions for c in _cast(_parsed(text)) if c in texts}
    always = {c for original, _ in change.rewrites for c in _cast_of_every_row(original)}
    return min(cast - always, default=None)


def _parsed(sql: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None


def _cast(tree: exp.Expr | None) -> Iterator[str]:
    """Yield the columns below a cast that may fail, in lower case; TRY_CAST gives NULL instead."""
    for column in tree.find_all(exp.Column) if tree else ():
        cast = column.find_ancestor(exp.Cast, exp.StrToTime)
        harmless = isinstance(cast, exp.TryCast) or (isinstance(cast, exp.Cast) and _text(cast))
        if cast is not None and not harmless:
            yield column.name.lower()


def _text(cast: exp.Cast) -> bool:
    return is_text(cast.to.sql(dialect="duckdb"))


def _cast_of_every_row(sql: str) -> Iterator[str]:
    """Yield the columns that a query casts in whatever rows there are.

    Behind a filter only some rows come to what is computed, and within CASE or FILTER only some
    of those; the filter itself sees them all.
    """
    tree = _parsed(sql)
    if not isinstance(tree, exp.Select):
        return
    where = tree.args.get("where")
    seen = [where] if where is not None else [*tree.expressions, tree.args.get("group")]
    bare = exp.Tuple(expressions=[part.copy() for part in seen if part is not None])
    for some in list(bare.find_all(exp.Case, exp.Filter)):
        some.replace(exp.Null())
    yield from _cast(bare)
