"""Which numbers of one type may not fit into another, and the types of simple expressions."""

from __future__ import annotations

import re

from sqlglot import exp

from tools.product.catalog import Table
from tools.product.logical_types import normal_type

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_RANGES = {name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _BITS.items()}
_RANGES |= {f"U{name}": (0, 2**bits - 1) for name, bits in _BITS.items()}
_NARROW = frozenset(name for name, (_, high) in _RANGES.items() if high < 2**32)
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_FLOATS = ("FLOAT", "DOUBLE")
_SAME = (exp.Paren, exp.Neg, exp.Abs, exp.Round)


def fits(source: str, target: str) -> bool:
    """Whether every number of a type has a value in another; True for what are no numbers."""
    if source == target or not _bounded(target):
        return source != "DOUBLE" or target != "FLOAT"
    if source in _FLOATS:
        return False
    if not _bounded(source):
        return True
    low, high = _range(source, rounded=_scale(target) < _scale(source))
    lowest, highest = _range(target)
    return lowest <= low and high <= highest


def room(kind: str) -> tuple[int, int] | None:
    """Return the least and the greatest whole number of a type; None of one without bounds."""
    return _range(kind) if _bounded(kind) else None


def narrow(kind: str) -> bool:
    """Whether arithmetic in a type overflows at numbers that are not rare."""
    return kind in _NARROW


def type_of(node: exp.Expr, table: Table) -> str | None:
    """Return the type of a column, a cast, or simple arithmetic over them, where it is certain."""
    match node:
        case exp.Column():
            column = table.column(node.name)
            return normal_type(column.type) if column is not None else None
        case exp.Cast():
            return normal_type(node.to.sql(dialect="duckdb"))
        case exp.Literal():
            return _literal(node, None)
        case exp.Add() | exp.Sub() | exp.Mul():
            sides = node.this, node.expression
            one, other = (type_of(side, table) for side in sides)
            if isinstance(sides[0], exp.Literal):
                one = _literal(sides[0], other)
            if isinstance(sides[1], exp.Literal):
                other = _literal(sides[1], one)
            return _wider(one, other)
        case _ if isinstance(node, _SAME):
            return type_of(node.this, table)
    return None


def floating(node: exp.Expr, table: Table) -> bool:
    """Whether an expression may be a FLOAT or DOUBLE, as far as its columns and casts tell."""
    kind = type_of(node, table)
    if kind is not None:
        return kind in _FLOATS
    inside = (type_of(part, table) for part in node.find_all(exp.Column, exp.Cast))
    return node.find(exp.Div) is not None or any(k in _FLOATS for k in inside)


def _literal(node: exp.Literal, beside: str | None) -> str | None:
    """Return a literal's type: that of what stands beside it, where it fits in."""
    if node.is_string or not node.name.isdecimal():
        return None
    value = int(node.name)
    if beside in _RANGES and value <= _RANGES[beside][1]:
        return beside
    return next((k for k in ("INTEGER", "BIGINT", "HUGEINT") if value <= _RANGES[k][1]), None)


def _wider(one: str | None, other: str | None) -> str | None:
    """Return the type of two that spans the other's numbers, if one does."""
    if one in _FLOATS or other in _FLOATS:
        return "DOUBLE"
    if one not in _RANGES or other not in _RANGES:
        return None
    low = min(_RANGES[one][0], _RANGES[other][0])
    high = max(_RANGES[one][1], _RANGES[other][1])
    return next((k for k in (one, other) if _RANGES[k] == (low, high)), None)


def _bounded(kind: str) -> bool:
    return kind in _RANGES or _DECIMAL.fullmatch(kind) is not None


def _scale(kind: str) -> int:
    shape = _DECIMAL.fullmatch(kind)
    return int(shape[2]) if shape else 0


def _range(kind: str, *, rounded: bool = False) -> tuple[int, int]:
    """Return the whole numbers that a type spans; `rounded` is 9.99 as 10."""
    shape = _DECIMAL.fullmatch(kind)
    if shape is None:
        return _RANGES[kind]
    most = 10 ** (int(shape[1]) - int(shape[2])) - (not rounded)
    return -most, most
