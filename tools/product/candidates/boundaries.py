"""Constants that are the first moment of an hour, a day or a month, whatever the time zone."""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

_MOMENT = re.compile(
    r"(?P<date>(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2}))"
    r"(?:[ T](?P<hour>[01]\d|2[0-3]):00(?::00(?:\.0{1,6})?)?)?"
)
_NONE: frozenset[str] = frozenset()
_HOUR = frozenset({"HOUR"})
_DAY = frozenset({"HOUR", "DAY"})
_MONTH = frozenset({"HOUR", "DAY", "MONTH"})
_WHOLE_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})


def boundary_of(node: exp.Expr) -> frozenset[str]:
    """Return the grains on whose boundary a constant certainly lies; none where it is unknown.

    Days that are counted from today are days of the session, the same in both texts.
    """
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return _written(node)
    if type(node) is exp.Cast and isinstance(node.this, exp.Literal):
        kind = node.to.sql(dialect="duckdb")
        found = _written(node.this) if kind in ("DATE", "TIMESTAMP") else _NONE
        # A DATE ignores the time that stands behind it.
        return found if kind == "TIMESTAMP" or len(node.this.name) == len("2013-12-01") else _NONE
    return _DAY if _whole_day(node) else _NONE


def _written(text: exp.Literal) -> frozenset[str]:
    found = _MOMENT.fullmatch(text.name) if text.is_string and text.name.isascii() else None
    if found is None or not _exists(found["date"]):
        return _NONE
    if int(found["hour"] or 0):
        return _HOUR
    return _MONTH if found["d"] == "01" else _DAY


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _whole_day(node: exp.Expr) -> bool:
    """Whether an expression over today gives the first moment of a day."""
    node = node.unnest()
    match node:
        case exp.CurrentDate():
            return not any(node.args.values())
        case exp.Sub() | exp.Add():
            return _whole_day(node.this) and _days(node)
        case exp.TimestampTrunc() | exp.DateTrunc():
            extra = any(v for k, v in node.args.items() if k not in ("this", "unit"))
            unit = node.text("unit").upper()
            return not extra and unit in _WHOLE_DAYS and _whole_day(node.this)
        case exp.Cast() if type(node) is exp.Cast and isinstance(node.this, exp.Literal):
            return boundary_of(node) >= _DAY
        case exp.Cast() if type(node) is exp.Cast:
            kind = node.to.sql(dialect="duckdb")
            return kind in ("DATE", "TIMESTAMP") and _whole_day(node.this)
    return False


def _days(node: exp.Expr) -> bool:
    """Whether what is added is a whole number of days, weeks, months or years."""
    added = node.expression.unnest()
    if not isinstance(added, exp.Interval):
        return isinstance(added, exp.Literal) and not added.is_string and _natural(added)
    number = added.this.unnest() if added.this is not None else None
    unit = added.text("unit").upper().removesuffix("S")
    return isinstance(number, exp.Literal) and _natural(number) and unit in _WHOLE_DAYS


def _natural(number: exp.Literal) -> bool:
    return number.name.isascii() and number.name.isdecimal()
