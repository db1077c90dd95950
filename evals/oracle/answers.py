"""Whether two products give the same answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import sqlglot
from sqlglot.errors import SqlglotError

Row = tuple[Any, ...]
RELATIVE = 1e-9
"""Sums of floats depend on the order of the rows, which a change may alter."""


class Answer(NamedTuple):
    """What a consumer gets: it may read by place or by name."""

    names: tuple[str, ...]
    rows: list[Row]


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """Return all rows of a query under their columns' names."""
    rows = fetch(con, sql)
    return Answer(tuple(str(column[0]) for column in con.description or ()), rows)


def fetch(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Return all rows of a query."""
    return con.execute(sql).fetchall()


def same(sql: str, before: Sequence[Row], after: Sequence[Row]) -> bool:
    """Return whether two results are one answer; order counts only where the query orders."""
    if len(before) != len(after):
        return False
    if not _orders(sql):
        before, after = sorted(before, key=_sortable), sorted(after, key=_sortable)
    return all(
        len(a) == len(b) and all(map(_same_value, a, b)) for a, b in zip(before, after, strict=True)
    )


def _orders(sql: str) -> bool:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb").args.get("order") is not None
    except SqlglotError:
        return "ORDER BY" in sql.upper()


def _sortable(row: Row) -> tuple[str, ...]:
    """Return a key that puts nearly equal floats into the same place."""
    return tuple(f"{v:.6g}" if isinstance(v, float | Decimal) else str(v) for v in row)


def _same_value(a: Any, b: Any) -> bool:
    """Return whether a consumer reads the same; text and number are the same if written alike."""
    exact = (int, Decimal)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, exact) and isinstance(b, exact):
        return a == b
    if isinstance(a, (*exact, float)) and isinstance(b, (*exact, float)):
        return _close(a, b)
    return (a is None) == (b is None) and str(a) == str(b)


def _close(a: int | float | Decimal, b: int | float | Decimal) -> bool:
    """Compare a float with a number; beside a whole number it must be that one exactly."""
    if isinstance(a, int) or isinstance(b, int):
        return a == b
    left, right = float(a), float(b)
    both_nan = math.isnan(left) and math.isnan(right)
    return both_nan or math.isclose(left, right, rel_tol=RELATIVE, abs_tol=1e-12)
