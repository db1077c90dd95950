"""Answering a grouped query from a summary table: the same rows, or no answer.

Pure functions on the syntax tree. Whatever is not known to be exact makes them give up, since a
wrong answer is worse than a slow one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from sqlglot import exp

from tools.messages import GROUPING, CreateSummary, quoted
from tools.product.candidates.grains import GRAINS, reading, truncation_of
from tools.product.candidates.grouped import (
    Keys,
    conditional,
    deterministic,
    group_keys,
    key_of,
    parse_part,
    plain,
    scalar,
    single_table,
)
from tools.product.candidates.intervals import intervals_kept
from tools.product.candidates.star import OTHERS, OfOthers, Star, of_others, star_of
from tools.product.candidates.star_answers import Held, star_answer
from tools.product.candidates.whole_numbers import MEAN, SUM, kept
from tools.product.catalog import table_key
from tools.product.engine_sql import output_names
from tools.product.errors import Forbidden, ParseFailed
from tools.product.faithful import faithful
from tools.product.fingerprint import parse
from tools.product.identifiers import folded
from tools.product.summary_content import columns_of, rows_column

_MARK = "pillion_summary_column_"


class _Inexact(Exception):
    """The query cannot be answered exactly from this summary."""


def answer_from_summary(sql: str, summary: CreateSummary, database: str = "") -> str | None:
    """Return an equivalent of `sql` over the summary, or None when it cannot be exact.

    Of queries that name a database only those that name `database` are answered.
    """
    try:
        tree = parse(sql)
        name = single_table(tree, database)
        star = star_of(tree, summary.table, database) if name is None else None
        if not isinstance(tree, exp.Select) or any(m in sql.lower() for m in (_MARK, OTHERS)):
            return None
        if not intervals_kept(sql):
            return None
        if star is None and (name is None or table_key(name) != table_key(summary.table)):
            return None
        text = next(_answers(star or tree, output_names(sql), summary), None)
        return text if text is not None and faithful(sql) else None
    except (Forbidden, ParseFailed, RecursionError):
        return None


def _answers(
    asked: exp.Select | Star, names: Sequence[str | None], summary: CreateSummary
) -> Iterator[str]:
    """Yield a text from each grouping of the summary that holds what is asked for."""
    tree = asked.tree if isinstance(asked, Star) else asked
    read = _read_by_rows(tree) | (asked.merged if isinstance(asked, Star) else set[str]())
    for number in range(len(summary.groupings)) if summary.groupings else (None,):
        with suppress(_Inexact):
            stored = _stored(summary, number)
            if not read <= stored.read:
                continue
            if isinstance(asked, Star):
                yield _star_answer(asked, names, stored, summary)
            else:
                yield _answer(asked, names, stored, summary)


def _read_by_rows(tree: exp.Select) -> set[str]:
    """Return columns that only dimensions can tell: those read outside of aggregates."""
    outputs = {folded(e.alias) for e in tree.expressions if e.alias}
    columns = (c for c in tree.find_all(exp.Column) if not c.name.startswith(OTHERS))
    outside = (c for c in columns if c.find_ancestor(exp.AggFunc, exp.Filter) is None)
    return {folded(c.name) for c in outside if c.table or folded(c.name) not in outputs}


class _Stored(NamedTuple):
    """What a summary holds, by the expression it was computed from."""

    dimensions: dict[str, str]
    aggregates: dict[tuple[str, str], str]
    columns: frozenset[str]
    """Names of base columns that are dimensions as they are."""
    grains: dict[tuple[str, str], str]
    """Truncated moments by grain and moment."""
    number: int | None
    """Which of several groupings this is."""
    read: frozenset[str]
    """Columns of the base table that the dimensions are computed from, folded."""
    names: frozenset[str]
    """What all the summary's columns are called, folded, those of other groupings, too."""
    rows: str | None
    """The column that is 0 where a group is gone and its row stays."""

    @classmethod
    def of(cls, summary: CreateSummary, number: int | None) -> _Stored:
        here = set(summary.groupings[number]) if number is not None else set(columns_of(summary))
        held = [d for d in summary.dimensions if d.column in here]
        parts = [(parse_part(d.expression), d.column) for d in held]
        if not all(deterministic(node) for node, _ in parts):
            raise _Inexact
        return cls(
            {key_of(node): column for node, column in parts},
            {
                (a.function, key_of(parse_part(a.argument)) if a.argument else ""): a.column
                for a in summary.aggregates
                if a.column in here
            },
            frozenset(folded(n.name) for n, _ in parts if isinstance(n, exp.Column)),
            {
                (found[0], key_of(found[1])): d.column
                for (node, _), d in zip(parts, held, strict=True)
                if d.grain and (found := truncation_of(node))
            },
            number,
            frozenset(folded(c.name) for node, _ in parts for c in node.find_all(exp.Column)),
            frozenset(folded(c) for c in (GROUPING, *columns_of(summary))),
            rows_column(summary),
        )

    @property
    def only(self) -> exp.Expr | None:
        """What leaves rows of this grouping, where there are several, and of groups not gone."""
        parts: list[exp.Expr] = []
        if self.number is not None:
            parts.append(_mine(GROUPING).eq(self.number))
        if self.rows is not None:
            # Of a count that is above 0 DuckDB 2.0 plans sums away over an empty LEFT JOIN.
            parts.append(_mine(self.rows).neq(0))
        return exp.and_(*parts) if parts else None

    @property
    def columns_of(self) -> dict[str, exp.Expr]:
        """What stands for each dimension."""
        return {key: _mine(column) for key, column in self.dimensions.items()}

    def grained(self, node: exp.Expr) -> exp.Expr | None:
        """Return what an expression reads of a moment, read from the truncated moment."""
        found = reading(node)
        moment = key_of(found.moment) if found else ""
        for grain in reversed(GRAINS):
            column = self.grains.get((grain.upper(), moment))
            if found and column is not None and grain.upper() in found.grains:
                return found.of(_mine(column))
        return None


@lru_cache(maxsize=256)
def _stored(summary: CreateSummary, number: int | None) -> _Stored:
    """Read a summary once: a served product asks it about every query."""
    return _Stored.of(summary, number)


def _answer(
    tree: exp.Select, names: Sequence[str | None], stored: _Stored, summary: CreateSummary
) -> str:
    keys = group_keys(tree, stored.columns)
    if keys is None or len(names) != len(tree.expressions):
        raise _Inexact
    named = list(zip(tree.expressions, names, strict=True))
    _check_names(named, stored)
    _check_having(tree.args.get("having"), named, {key_of(k) for k in keys})
    over_groups = _replacing(stored, {key_of(k): _key(k, stored) for k in keys})
    over_rows = _replacing(stored, stored.columns_of, grained=True)
    new = tree.copy()
    new.set("expressions", [_projected(e, n, stored, over_groups) for e, n in named])
    new.set("group", exp.Group(expressions=[over_groups(k) for k in keys]) if keys else None)
    for part, replace in (("where", over_rows), ("having", over_groups), ("order", over_groups)):
        value = tree.args.get(part)
        if value is not None:
            new.set(part, replace(value))
    source = exp.Table(
        this=exp.to_identifier(summary.summary.name, quoted=True),
        db=exp.to_identifier(summary.summary.schema_name, quoted=True),
    )
    new.set("from_", exp.From(this=source))
    new.where(stored.only, copy=False)
    if keys:
        _count_groups(new, summary)
    _unmark(new)
    return str(new.sql(dialect="duckdb", comments=False))


def _count_groups(tree: exp.Select, summary: CreateSummary) -> None:
    """Take off what makes counts of no rows 0: what is grouped has rows in each group."""
    counts = {_MARK + a.column for a in summary.aggregates if a.function == "count"}
    for node in list(tree.find_all(exp.Greatest)):
        total = node.this
        if isinstance(total, exp.Sum) and total.this.name in counts:
            node.replace(total)


def _star_answer(
    star: Star, names: Sequence[str | None], stored: _Stored, summary: CreateSummary
) -> str:
    """Answer a query that joins the summary's table: each joined group is read as its rows are."""
    replace = _replacing(stored, stored.columns_of, grained=True)
    if group_keys(star.tree, stored.columns) is None:
        raise _Inexact
    held = Held(
        stored.dimensions,
        stored.names,
        stored.only,
        replace,
        lambda projection, name: _projected(projection, name, stored, replace),
        _MARK,
    )
    text = star_answer(star, names, held, summary.summary)
    if text is None:
        raise _Inexact
    return text


def _key(node: exp.Expr, stored: _Stored) -> exp.Expr:
    """Return a grouping expression over the summary: a dimension, or what a grain tells."""
    column = stored.dimensions.get(key_of(node))
    if column is not None:
        return _mine(column)
    if node.find(exp.AggFunc):
        raise _Inexact
    told = _replacing(stored, {}, grained=True)(node)
    if not all(c.name.startswith(_MARK) for c in told.find_all(exp.Column)):
        raise _Inexact
    return told


def _check_names(named: Iterable[tuple[exp.Expr, str | None]], stored: _Stored) -> None:
    """Refuse an output name that would be taken for a column of the summary, or the reverse."""
    for projection, name in named:
        if name is None:
            raise _Inexact
        same = stored.dimensions.get(key_of(projection.unalias()))
        if folded(name) in stored.names and (same is None or folded(same) != folded(name)):
            raise _Inexact


def _check_having(
    having: exp.Expr | None, named: Iterable[tuple[exp.Expr, str | None]], keys: Keys
) -> None:
    """Refuse a grouping expression that in HAVING is none: there an output's name comes first."""
    outputs = {
        folded(name)
        for projection, name in named
        if name and key_of(projection.unalias()) != quoted(folded(name))
    }
    for node in having.walk() if having is not None and outputs else ():
        taken = any(not c.table and folded(c.name) in outputs for c in node.find_all(exp.Column))
        inside = node.find_ancestor(exp.AggFunc, exp.Filter) is not None
        if taken and not inside and not isinstance(node, exp.Having) and key_of(node) in keys:
            raise _Inexact


def _projected(
    projection: exp.Expr,
    name: str | None,
    stored: _Stored,
    replace: Callable[[exp.Expr], exp.Expr],
) -> exp.Expr:
    """Replace inside a projection and keep the name consumers know it by."""
    if isinstance(projection, exp.Column):
        # The engine spells a column as its table does, however the query spells it.
        spelt = stored.dimensions.get(key_of(projection), projection.name)
        name = spelt if folded(spelt) == folded(projection.name) else projection.name
    return exp.alias_(replace(projection.unalias()), name, quoted=True)


_NAMES: dict[type, str] = {
    exp.Count: "count", exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Avg: "avg",
}  # fmt: skip


def _replacing(
    stored: _Stored, known: Mapping[str, exp.Expr], *, grained: bool = False
) -> Callable[[exp.Expr], exp.Expr]:
    """Return what replaces aggregates and `known` expressions by what is said of stored columns.

    `grained` does so for what reads moments, too.
    """

    def step(node: exp.Expr) -> exp.Expr:
        if (others := of_others(node)) is not None:
            return _weighted(others, stored)
        if isinstance(node, exp.Filter):
            return _filtered(node, stored)
        if isinstance(node, exp.AggFunc):
            return _aggregate(node, stored)
        if not isinstance(node, exp.Literal | exp.Identifier):
            said = known.get(key_of(node))
            said = stored.grained(node) if said is None and grained else said
            if said is not None:
                return said.copy()
        if isinstance(node, exp.Func) and not scalar(node, now=True):
            raise _Inexact
        return node

    return lambda node: node.copy().transform(step)


def _filtered(node: exp.Filter, stored: _Stored) -> exp.Expr:
    """Take the aggregate stored for this condition, or move the condition onto stored sums."""
    narrow = conditional(node)
    if narrow is None:
        raise _Inexact
    if _is_stored(narrow, stored):
        return _aggregate(narrow, stored)
    condition = _replacing(stored, stored.columns_of, grained=True)(node.expression)

    def narrowed(part: exp.Expr) -> exp.Expr:
        if isinstance(part, exp.AggFunc):
            return exp.Filter(this=part.copy(), expression=condition.copy())
        return part

    return _aggregate(node.this, stored).transform(narrowed)


def _weighted(found: OfOthers, stored: _Stored) -> exp.Expr:
    """Return an aggregate over columns of joined tables, where each row stands for a group's."""
    said = found.said_by(_replacing(stored, stored.columns_of, grained=True))
    weighted = said.weighted(_mine(_column(stored, "count", "")))
    if weighted is None:
        raise _Inexact
    return weighted


def _is_stored(node: exp.AggFunc, stored: _Stored) -> bool:
    functions = ("sum", "count") if type(node) is exp.Avg else (_NAMES.get(type(node), ""),)
    if all((f, key_of(node.this)) in stored.aggregates for f in functions):
        return True
    return isinstance(node, exp.Sum | exp.Avg) and kept(node.this, stored.aggregates) is not None


def _aggregate(node: exp.AggFunc, stored: _Stored) -> exp.Expr:
    argument = node.this
    key = "" if argument is None or isinstance(argument, exp.Star) else key_of(argument)
    if not plain(node):
        raise _Inexact
    if type(node) in (exp.Sum, exp.Avg) and ("sum", key) not in stored.aggregates:
        columns = kept(argument, stored.aggregates)
        if columns is not None:
            return _filled(SUM if type(node) is exp.Sum else MEAN, *columns)
    if type(node) is exp.Avg:
        total, count = _column(stored, "sum", key), _column(stored, "count", key)
        return _filled("(CAST(sum({0}) AS DOUBLE) / nullif(sum({1}), 0))", total, count)
    if type(node) is exp.Count:
        count = _column(stored, "count", key)
        # `coalesce` here is 0 to the engine (2.0) above a LEFT JOIN whose right side has no rows.
        return _filled("CAST(greatest(sum({0}), 0) AS BIGINT)", count)
    if type(node) not in (exp.Sum, exp.Min, exp.Max):
        raise _Inexact
    function = _NAMES[type(node)]
    return _filled(f"{function}({{0}})", _column(stored, function, key))


def _column(stored: _Stored, function: str, key: str) -> str:
    column = stored.aggregates.get((function, key))
    if column is None:
        raise _Inexact
    return column


def _mine(column: str) -> exp.Column:
    return exp.column(exp.to_identifier(_MARK + column, quoted=True))


def _filled(text: str, *columns: str) -> exp.Expr:
    names = [_mine(c).sql(dialect="duckdb") for c in columns]
    return parse_part(text.format(*names))


def _unmark(tree: exp.Select) -> None:
    """Take the marks off; refuse a column that is neither stored nor an output name."""
    aliases = {folded(e.alias) for e in tree.expressions if e.alias}
    for column in list(tree.find_all(exp.Column)):
        name = column.name
        if name.startswith(_MARK):
            column.replace(exp.column(exp.to_identifier(name.removeprefix(_MARK), quoted=True)))
        elif column.table or folded(name) not in aliases or _of_rows(column):
            raise _Inexact


def _of_rows(column: exp.Column) -> bool:
    return column.find_ancestor(exp.Where, exp.AggFunc) is not None
