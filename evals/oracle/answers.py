"""Whether two products give the same answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

Row = tuple[Any, ...]
RELATIVE = 1e-9
"""Sums of floats depend on the order of the rows, which a change may alter."""
COARSE = (6, 10)
"""Digits by which numbers are put in order before they are by all of them."""
_NUMBER = re.compile(
    r"\bU?(?:TINY|SMALL|BIG|HUGE)INT\b|\bU?INTEGER\b|\bBIGNUM\b|\bFLOAT\b|\bDOUBLE\b|\bDECIMAL\([^)]*\)"
)
_TEXT = re.compile(r"\bVARCHAR\b|\bENUM\((?:[^')]|'(?:[^']|'')*')*\)")


class Answer(NamedTuple):
    """What a consumer gets: it may read by place or by name, and may rely on types."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[Row]


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """Return all rows of a query under their columns' names."""
    rows = fetch(con, sql)
    columns = con.description or ()
    return Answer(tuple(str(c[0]) for c in columns), tuple(str(c[1]) for c in columns), rows)


def fetch(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Return all rows of a query."""
    return con.execute(sql).fetchall()


def difference(sql: str, before: Answer, after: Answer) -> str:
    """Say how another answer to a query differs for whoever reads it, or nothing."""
    if before.names != after.names:
        return f"other columns ({', '.join(after.names)})"
    if not same(sql, before.rows, after.rows):
        return "another answer"
    for name, old, new in zip(before.names, before.types, after.types, strict=True):
        if _family(old) != _family(new):
            return f"another type of {name} ({new} instead of {old})"
    return ""


def _family(kind: str) -> str:
    """Return what a client takes a type for: numbers are numbers, an ENUM comes as text."""
    return _NUMBER.sub("number", _TEXT.sub("text", kind))


def same(sql: str, before: Sequence[Row], after: Sequence[Row]) -> bool:
    """Return whether two results are one answer; order counts only as far as the query orders."""
    if len(before) != len(after):
        return False
    if all(map(_same_row, before, after)):
        return True
    keys = _ordered_by(sql)
    if keys is None or not all(_same_at(keys, a, b) for a, b in zip(before, after, strict=True)):
        return False
    return all(map(_same_row, sorted(before, key=_sortable), sorted(after, key=_sortable)))


def _ordered_by(sql: str) -> list[int] | None:
    """Return the places of the columns that a query orders by, none where it doesn't order.

    None where it orders by what its rows don't show: then they have to come as they came.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None if "ORDER BY" in sql.upper() else []
    order = tree.args.get("order")
    if order is None:
        return []
    shown = tree.selects if isinstance(tree, exp.Query) else []
    places = [_place(key.this, shown) for key in order.expressions]
    if any(s.is_star for s in shown) or None in places:
        return None
    return [p for p in places if p is not None]


def _place(key: exp.Expr, shown: Sequence[exp.Expr]) -> int | None:
    if isinstance(key, exp.Literal) and key.is_int:
        return int(key.name) - 1
    if isinstance(key, exp.Column) and not key.table:
        named = [s.alias_or_name.lower() for s in shown]
        if named.count(key.name.lower()) == 1:
            return named.index(key.name.lower())
    return next((n for n, s in enumerate(shown) if s.unalias() == key), None)


def _same_at(places: Iterable[int], a: Row, b: Row) -> bool:
    return all(_same_value(a[n], b[n]) for n in places)


def _same_row(a: Row, b: Row) -> bool:
    return len(a) == len(b) and all(map(_same_value, a, b))


def _sortable(row: Row) -> tuple[tuple[str, ...], ...]:
    """Return a key that puts nearly equal numbers into the same place, and tells the others apart.

    By few digits first: two that are a rounding apart must not change places.
    """
    coarse = (tuple(_rounded(value, digits) for value in row) for digits in COARSE)
    return *coarse, tuple(map(_exact, row))


def _rounded(value: Any, digits: int) -> str:
    # Adding 0 takes the sign of a zero.
    return f"{float(value) + 0.0:.{digits}g}" if _is_number(value) else str(value)


def _exact(value: Any) -> str:
    return str(Fraction(value)) if _is_number(value) and math.isfinite(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _same_value(a: Any, b: Any) -> bool:
    """Return whether a consumer reads the same; text and number are the same if written alike."""
    exact = (int, Decimal)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, exact) and isinstance(b, exact):
        return a == b
    if isinstance(a, (*exact, float)) and isinstance(b, (*exact, float)):
        return _close(a, b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same_value, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same_value(a[key], b[key]) for key in a)
    return (a is None) == (b is None) and str(a) == str(b)


def _close(a: int | float | Decimal, b: int | float | Decimal) -> bool:
    """Compare a float with a number; beside a whole number it must be that one exactly."""
    if isinstance(a, int) or isinstance(b, int):
        return a == b
    left, right = float(a), float(b)
    both_nan = math.isnan(left) and math.isnan(right)
    return both_nan or math.isclose(left, right, rel_tol=RELATIVE, abs_tol=1e-12)
