"""Sums and means of a DOUBLE that holds whole numbers only, which are exact in any order of rows.

Whole numbers up to 2^20 add up to less than 2^53 in fewer than 2^33 rows, so that every partial sum
is a number a DOUBLE holds. A summary keeps their sum as integers, how many they are, and how many
values there are. Where these two differ for a group that is asked for, the answer fails, and the
query is asked as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
from sqlglot import exp

from tools.messages import CreateSummary, TableName, quoted
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.grouped import key_of, parse_part
from tools.product.catalog import Table
from tools.product.engine_sql import with_own_functions
from tools.product.errors import DatabaseUnusable, ParseFailed, ProductError
from tools.product.logical_types import normal_type
from tools.product.number_types import type_of

LARGEST = 2**20
MOST_ROWS = 2**33
MAX_LOOKS = 32
"""Most expressions whose values are looked at, each in all rows of its table."""
NOT_WHOLE = "some values are not whole, of "
"""Begins the error of an answer that gives up."""

# NaN is greater than any number, and so is out of range.
_WHOLE = (
    f"CASE WHEN abs({{0}}) <= {LARGEST} AND {{0}} = floor({{0}}) THEN TRY_CAST({{0}} AS BIGINT) END"
)
_ALL_WHOLE = f"greatest(sum({{0}}), 0) = least(greatest(sum({{1}}), 0), {MOST_ROWS})"
# What is not constant isn't computed while the query is planned.
_GUARDED = f"CASE WHEN {_ALL_WHOLE} THEN {{value}} ELSE error('{NOT_WHOLE}' || sum({{0}})) END"
SUM = _GUARDED.replace("{value}", "CAST(sum({2}) AS DOUBLE)")
MEAN = _GUARDED.replace("{value}", "CAST(sum({2}) AS DOUBLE) / nullif(sum({1}), 0)")

_Aggregates = Mapping[tuple[str, str], str]


class Kept(NamedTuple):
    """The columns of a summary that tell the sum of a DOUBLE."""

    values: str
    whole: str
    total: str


def double(node: exp.Expr | None, table: Table) -> bool:
    """Whether an expression is a DOUBLE column, a column cast to DOUBLE, or one of some rows."""
    if isinstance(node, exp.Case):
        chosen = not node.this and not node.args.get("default") and len(node.args["ifs"]) == 1
        node = node.args["ifs"][0].args["true"] if chosen else None
    if isinstance(node, exp.Column):
        return type_of(node, table) == "DOUBLE"
    if type(node) not in (exp.Cast, exp.TryCast) or not isinstance(node, exp.Cast):
        return False
    return isinstance(node.this, exp.Column) and _is_double(node.to)


def _is_double(kind: exp.DataType) -> bool:
    return normal_type(kind.sql(dialect="duckdb")) == "DOUBLE"


def whole(argument: exp.Expr) -> str:
    """Return what is the integer of a value that is whole, and else NULL."""
    return key_of(parse_part(_WHOLE.format(key_of(argument))))


def aggregates_of(argument: exp.Expr) -> set[tuple[str, str]]:
    """Return the aggregates to store for the sum or mean of a DOUBLE."""
    integer = whole(argument)
    return {("sum", integer), ("count", integer), ("count", key_of(argument))}


def kept(argument: exp.Expr | None, aggregates: _Aggregates) -> Kept | None:
    """Return the columns that tell the sum of an argument, where they are stored.

    That it is a DOUBLE was known when they were made.
    """
    if not isinstance(argument, exp.Column | exp.Cast | exp.Case):
        return None
    integer = whole(argument)
    wanted = (("count", key_of(argument)), ("count", integer), ("sum", integer))
    found = [aggregates[w] for w in wanted if w in aggregates]
    return Kept(*found) if len(found) == len(wanted) else None


def value_of(argument: exp.Expr) -> exp.Expr | None:
    """Return the value whose whole numbers an argument keeps, if it does that."""
    if not isinstance(argument, exp.Case) or len(argument.args["ifs"]) != 1:
        return None
    cast = argument.args["ifs"][0].args["true"]
    if not isinstance(cast, exp.TryCast):
        return None
    value: exp.Expr = cast.this
    return value if key_of(argument) == whole(value) else None


def keeps_whole(text: str) -> bool:
    """Whether a stored argument gives the whole numbers of another, which is stored, too."""
    with suppress(ParseFailed):
        return text.startswith("CASE") and value_of(parse_part(text)) is not None
    return False


def mistaken(argument: exp.Expr, table: Table) -> bool:
    """Whether an argument would be read as the whole numbers of a DOUBLE that is none."""
    value = value_of(argument)
    return value is not None and not double(value, table)


def _pairs(aggregates: Set[tuple[str, str]] | _Aggregates) -> Iterator[tuple[str, str]]:
    """Yield each value whose whole numbers are summed and counted beside it, with these."""
    for function, argument in sorted(aggregates):
        value = value_of(parse_part(argument)) if function == "sum" else None
        if value is not None and {("count", argument), ("count", key_of(value))} <= set(aggregates):
            yield key_of(value), argument


@dataclass
class Fractions:
    """Looks for values that are not whole, of each expression once."""

    context: CandidateContext
    seen: dict[tuple[TableName, str], bool] = field(default_factory=dict)

    def among(self, table: TableName, aggregates: Set[tuple[str, str]]) -> str | None:
        """Return the first of the values to be summed as whole numbers that are not all whole."""
        return next((v for v, w in _pairs(aggregates) if self._any(table, v, w)), None)

    def _any(self, table: TableName, value: str, integer: str) -> bool:
        if (table, value) not in self.seen:
            # Nothing is known of what was not looked at.
            self.seen[table, value] = len(self.seen) >= MAX_LOOKS or self._look(
                table, f"{value} IS NOT NULL AND {integer} IS NULL"
            )
        return self.seen[table, value]

    def _look(self, table: TableName, condition: str) -> bool:
        text = f"SELECT 1 FROM {table.sql} WHERE {with_own_functions(condition)} LIMIT 1"
        try:
            return bool(self.context.probe(text))
        except DatabaseUnusable:
            raise
        except ProductError:
            return True


def broken(con: duckdb.DuckDBPyConnection, change: CreateSummary) -> tuple[str, ...]:
    """Return the values kept as whole numbers of which some groups hold others by now."""
    columns: dict[tuple[str, str], str] = {
        (a.function, a.argument): quoted(a.column) for a in change.aggregates
    }
    pairs = list(_pairs(columns))
    if not pairs:
        return ()
    each = (
        f"EXISTS (FROM {change.summary.sql} WHERE {columns['count', v]} <> {columns['count', w]})"
        for v, w in pairs
    )
    with suppress(duckdb.Error):
        (found,) = con.execute(f"SELECT {', '.join(each)}").fetchall()
        return tuple(v for (v, _), some in zip(pairs, found, strict=True) if some)
    return ()
