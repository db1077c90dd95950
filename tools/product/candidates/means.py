"""Whether a mean that a summary gives as sum / count is the engine's own to the last digit.

The engine rounds `avg` of decimals and large integers in another order: it divides the unscaled
sum, in wider floats. That shows where a query rounds a mean or compares it. Where a query has no
groups, or asks for the sum or count of the same beside it, the engine divides sum by count itself.
"""

from __future__ import annotations

import re

from sqlglot import exp

from tools.product.candidates.grouped import key_of, plain
from tools.product.catalog import Table
from tools.product.number_types import narrow, type_of

_WHOLE = re.compile(r"DECIMAL\([1-9],0\)")


def inexact_mean(tree: exp.Select, table: Table, *, grouped: bool) -> str | None:
    """Return an `avg` of a query that a summary might answer otherwise, if there is one."""
    divided = {
        key_of(node.this)
        for node in tree.find_all(exp.Sum, exp.Count)
        if _unfiltered(node) and plain(node) and isinstance(node.this, exp.Expr)
    }
    for node in tree.find_all(exp.Avg):
        by_engine = _unfiltered(node) and (not grouped or key_of(node.this) in divided)
        if not by_engine and not _small(node.this, table):
            return " ".join(node.sql(dialect="duckdb", comments=False).split())[:100]
    return None


def _unfiltered(node: exp.Expr) -> bool:
    return not isinstance(node.parent, exp.Filter)


def _small(node: exp.Expr, table: Table) -> bool:
    """Whether values are integers whose sums a float holds, or floats, summed where they are so."""
    if isinstance(node, exp.Null):
        return True
    if isinstance(node, exp.Case):
        values = [i.args["true"] for i in node.args["ifs"]]
        values += [d for d in (node.args.get("default"),) if d is not None]
        return all(_small(v, table) for v in values)
    kind = type_of(node, table)
    if kind is None:
        return False
    return kind == "DOUBLE" or narrow(kind) or _WHOLE.fullmatch(kind) is not None
