"""What a query reads of a moment: often no more than its day, hour or month.

With f = `date_trunc('day', x)`, `x >= L` is the same as `f >= L` and `x < L` the same as `f < L`
where L is the first moment of a day. Infinite moments and NULL are their own days.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from sqlglot import exp

from tools.messages import CreateSummary
from tools.product.candidates.boundaries import boundary_of
from tools.product.candidates.grouped import parse_part
from tools.product.catalog import Table
from tools.product.logical_types import is_text

Grain = Literal["hour", "day", "month"]
GRAINS: tuple[Grain, ...] = ("hour", "day", "month")
"""Finest first: a coarser one can be told from a finer one."""

_DAY = frozenset({"HOUR", "DAY"})
_MONTH = frozenset({"HOUR", "DAY", "MONTH"})
_ANY = frozenset(g.upper() for g in GRAINS)
_TRUNCATED = {
    "HOUR": frozenset({"HOUR"}), "DAY": _DAY, "WEEK": _DAY, "MONTH": _MONTH, "QUARTER": _MONTH,
    "YEAR": _MONTH,
}  # fmt: skip
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Year: _MONTH, exp.Quarter: _MONTH, exp.Month: _MONTH, exp.Monthname: _MONTH,
    exp.Day: _DAY, exp.DayOfMonth: _DAY, exp.DayOfWeek: _DAY, exp.DayOfWeekIso: _DAY,
    exp.DayOfYear: _DAY, exp.Week: _DAY, exp.WeekOfYear: _DAY, exp.Dayname: _DAY,
    exp.Hour: frozenset({"HOUR"}),
}  # fmt: skip
_EXTRACTED = {
    "YEAR": _MONTH, "QUARTER": _MONTH, "MONTH": _MONTH, "DAY": _DAY, "DOW": _DAY, "ISODOW": _DAY,
    "DOY": _DAY, "WEEK": _DAY, "HOUR": frozenset({"HOUR"}),
}  # fmt: skip
_CODES = {"Y": _MONTH, "y": _MONTH, "m": _MONTH, "b": _MONTH, "B": _MONTH, "d": _DAY, "j": _DAY,
          "a": _DAY, "A": _DAY, "H": frozenset({"HOUR"})}  # fmt: skip
_CODE = re.compile(r"%(-?.?)")
_COMPARED: dict[type[exp.Expr], tuple[str, str]] = {
    exp.GTE: ("this", "expression"), exp.LT: ("this", "expression"),
    exp.LTE: ("expression", "this"), exp.GT: ("expression", "this"),
}  # fmt: skip
"""Where the moment stands in a comparison, and where the boundary: `x >= L` and `L <= x`."""


class Reading(NamedTuple):
    """An expression that reads a moment no finer than some grains tell it."""

    node: exp.Expr
    place: str
    grains: frozenset[str]

    @property
    def moment(self) -> exp.Expr:
        """The moment that is read."""
        found: exp.Expr = self.node.args[self.place].unnest()
        return found

    @property
    def compared(self) -> bool:
        """Whether the moment is held against a constant, which is another one next time."""
        return type(self.node) in _COMPARED

    def of(self, truncated: exp.Expr) -> exp.Expr:
        """Return the same expression of the truncated moment."""
        node: exp.Expr = self.node.copy()
        node.set(self.place, truncated)
        return node


def reading(node: exp.Expr) -> Reading | None:
    """Return how an expression reads a moment, where truncating that loses nothing."""
    place, grains = _read(node)
    if not grains or not isinstance(node.args.get(place), exp.Expr):
        return None
    found = Reading(node, place, grains)
    return found if _is_moment(found.moment) else None


def _read(node: exp.Expr) -> tuple[str, frozenset[str]]:
    kind = type(node)
    if kind in _COMPARED:
        place, other = _COMPARED[kind]
        return place, boundary_of(node.args[other])
    if kind in _PARTS and _only(node, "this"):
        return "this", _PARTS[kind]
    match node:
        case exp.TimestampTrunc() if _only(node, "this", "unit"):
            return "this", _TRUNCATED.get(node.text("unit"), frozenset())
        case exp.Cast() if _plain_cast(node) == "DATE":
            return "this", _DAY
        case exp.Extract() if _only(node, "this", "expression"):
            return "expression", _EXTRACTED.get(node.name.upper(), frozenset())
        case exp.TimeToStr() if _only(node, "this", "format"):
            return "this", _formatted(node.args["format"])
        case exp.Is() if isinstance(node.expression, exp.Null):
            return "this", _ANY
    return "this", frozenset()


def _only(node: exp.Expr, *places: str) -> bool:
    return not any(v for k, v in node.args.items() if k not in places)


def _formatted(text: exp.Expr) -> frozenset[str]:
    """Return the grains that tell all of what a format shows."""
    if not isinstance(text, exp.Literal) or not text.is_string:
        return frozenset()
    shown = _ANY
    for code in _CODE.findall(text.name):
        shown &= _CODES.get(code.removeprefix("-"), frozenset())
    return shown


def _plain_cast(node: exp.Expr) -> str | None:
    """Return the type a cast gives, without what more may be said of it."""
    if type(node) not in (exp.Cast, exp.TryCast):
        return None
    extra = any(v for k, v in node.args.items() if k not in ("this", "to", "safe"))
    return None if extra else str(node.args["to"].sql(dialect="duckdb"))


def _is_moment(node: exp.Expr) -> bool:
    """Whether an expression is a column, or one cast to TIMESTAMP."""
    cast = _plain_cast(node) == "TIMESTAMP" and isinstance(node.this, exp.Column)
    return cast or isinstance(node, exp.Column)


def truncated(grain: str, moment: exp.Expr) -> exp.Expr:
    """Return the moment's hour, day or month."""
    return exp.TimestampTrunc(this=moment.copy(), unit=exp.var(grain.upper()))


def truncation_of(node: exp.Expr) -> tuple[str, exp.Expr] | None:
    """Return the grain and the moment of a truncated moment."""
    if not isinstance(node, exp.TimestampTrunc) or not _only(node, "this", "unit"):
        return None
    grain = node.text("unit")
    return (grain, node.this) if grain in _ANY and _is_moment(node.this) else None


def grain_of(node: exp.Expr, table: Table) -> Grain | None:
    """Return the grain of a truncated moment whose type is known to tell all that it should.

    A TIMESTAMP_NS is rounded before it is truncated, so what is before a boundary may come after.
    Of a text that a DATE is compared with, its hours are left out.
    """
    found = truncation_of(node)
    if found is None:
        return None
    day = type_below(found[1], table) == "DATE" and found[0] != "HOUR"
    known = exact(found[1], table) or day
    return next(g for g in GRAINS if g.upper() == found[0]) if known else None


def grains_hold(change: CreateSummary, table: Table) -> bool:
    """Whether every grain that a summary claims is one of its table's columns as they are."""
    claimed = [d for d in change.dimensions if d.grain]
    return all(grain_of(parse_part(d.expression), table) == d.grain for d in claimed)


def exact(moment: exp.Expr, table: Table) -> bool:
    """Whether a moment can be truncated wherever it can be read: no row is refused for it."""
    below = type_below(moment, table)
    cast = not isinstance(moment, exp.Column)
    return below == "TIMESTAMP" or (cast and below is not None and is_text(below))


def type_below(moment: exp.Expr, table: Table) -> str | None:
    """Return the type of a moment's column."""
    column = moment.find(exp.Column)
    known = table.column(column.name) if column is not None else None
    return known.type if known is not None else None
