"""Rewrite rules: a computed filter becomes a range of the plain column, for the same rows.

Pure functions on the syntax tree; the finder proposes with them and the query gateway, after
approval, applies them to the same pattern whatever its literals.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import NamedTuple

from sqlglot import exp

from tools.product.candidates.intervals import intervals_kept
from tools.product.engine_sql import output_names
from tools.product.errors import Forbidden, ParseFailed
from tools.product.faithful import faithful
from tools.product.fingerprint import parse

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
LAST_YEAR = 9998
"""The last year whose end still is a date here."""


class Range(NamedTuple):
    """A comparison as a half-open range of its source."""

    source: exp.Expr
    low: exp.Expr
    high: exp.Expr

    def condition(self) -> exp.Expr:
        """Return the range as SQL."""
        low = exp.GTE(this=self.source.copy(), expression=self.low)
        high = exp.LT(this=self.source.copy(), expression=self.high)
        return exp.Paren(this=exp.And(this=low, expression=high))


def apply_rule(rule: str, sql: str) -> str | None:
    """Return the text a rule makes of `sql`, or None where it does not apply."""
    try:
        tree = parse(sql)
        found = ranges_of(rule, tree)
        for node, made in found:
            node.replace(made.condition())
        kept = found and intervals_kept(sql) and faithful(sql)
        return _named_as(sql, tree) if kept else None
    except (Forbidden, ParseFailed, RecursionError):
        return None


def _named_as(sql: str, tree: exp.Expr) -> str:
    """Return the text of a tree whose columns are called as those of `sql`.

    The engine calls what has no name by its text, which is spelt another way in a tree's.
    """
    text = str(tree.sql(dialect="duckdb", comments=False))
    items = tree.expressions if isinstance(tree, exp.Select) else []
    names = zip(items, output_names(sql), output_names(text), strict=False)
    other = [(item, was) for item, was, now in names if was != now and was is not None]
    for item, was in other:
        item.replace(exp.alias_(item.unalias(), was, quoted=True))
    return str(tree.sql(dialect="duckdb", comments=False)) if other else text


def ranges_of(rule: str, tree: exp.Expr) -> list[tuple[exp.Expr, Range]]:
    """Return the comparisons of a statement that a rule applies to, each with its range."""
    found = [(n, RULES[rule](n)) for n in tree.find_all(exp.EQ) if _filters(n)]
    return [(n, r) for n, r in found if r is not None and not _aliased(r.source)]


def month_text(node: exp.Expr) -> Range | None:
    """`strftime(x, '%Y-%m') = '2023-03'` is a range of x."""
    found = _compared(node)
    if found is None or not isinstance(found[0], exp.TimeToStr):
        return None
    left, text = found
    month = _MONTH.fullmatch(text)
    if left.text("format") != "%Y-%m" or month is None or not _is_source(left.this):
        return None
    year, number = int(month[1]), int(month[2])
    if not (1 <= year <= LAST_YEAR and 1 <= number <= 12):
        return None
    after = dt.date(year + number // 12, number % 12 + 1, 1)
    return Range(left.this, _date(dt.date(year, number, 1)), _date(after))


def year_number(node: exp.Expr) -> Range | None:
    """`year(x) = 2023` is a range of x."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Year | exp.Extract):
        left, right = right, left
    if not isinstance(right, exp.Literal) or right.is_string or not right.name.isdecimal():
        return None
    source, year = _year_of(left), int(right.name)
    if source is None or not _is_source(source) or not 1 <= year <= LAST_YEAR:
        return None
    return Range(source, _date(dt.date(year, 1, 1)), _date(dt.date(year + 1, 1, 1)))


def _year_of(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Extract) and node.name.upper() == "YEAR":
        source: exp.Expr = node.expression
        return source
    if isinstance(node, exp.Year):
        inner: exp.Expr = node.this
        # sqlglot wraps the argument in a cast of its own.
        while isinstance(inner, exp.TsOrDsToDate):
            inner = inner.this
        return inner
    return None


def prefix_text(node: exp.Expr) -> Range | None:
    """`substr(x, 1, n) = 'prefix'` of n ASCII characters is a range of text."""
    found = _compared(node)
    if found is None or not isinstance(found[0], exp.Substring):
        return None
    left, text = found
    start, length = _number(left.args.get("start")), _number(left.args.get("length"))
    if (start, length) != (1, len(text)) or not isinstance(left.this, exp.Column):
        return None
    # A collation compares in another order than that of the characters, also one further inside.
    if not text.isascii() or text[-1:] in ("", "\x7f") or node.root().find(exp.Collate):
        return None
    after = text[:-1] + chr(ord(text[-1]) + 1)
    return Range(left.this, exp.Literal.string(text), exp.Literal.string(after))


RULES: dict[str, Callable[[exp.Expr], Range | None]] = {
    "month_text": month_text,
    "year_number": year_number,
    "prefix_text": prefix_text,
}


def _filters(node: exp.Expr) -> bool:
    """Whether NULL and FALSE mean the same where a comparison stands."""
    # year(infinity) is NULL and its range FALSE, which NOT or a SELECT list would show.
    parent = node.parent
    while isinstance(parent, exp.And | exp.Or | exp.Paren):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.Join):
        return parent.args.get("on") is node
    return isinstance(parent, exp.Where | exp.Having)


def _is_source(node: exp.Expr) -> bool:
    """Whether a value may be written twice: a column, straight or cast."""
    while isinstance(node, exp.Cast | exp.TryCast | exp.Paren):
        node = node.this
    return isinstance(node, exp.Column)


def _aliased(source: exp.Expr) -> bool:
    """Whether a name may mean a computed column of the same SELECT instead of a stored one."""
    select = source.find_ancestor(exp.Select)
    aliases = {e.alias.lower() for e in select.expressions if e.alias} if select else set()
    return any(c.name.lower() in aliases for c in source.find_all(exp.Column))


def _compared(node: exp.Expr) -> tuple[exp.Expr, str] | None:
    left, right = node.this, node.expression
    if isinstance(left, exp.Literal):
        left, right = right, left
    return (left, right.name) if isinstance(right, exp.Literal) and right.is_string else None


def _number(node: exp.Expr | None) -> int | None:
    plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal()
    return int(node.name) if node is not None and plain else None


def _date(day: dt.date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), "date")
