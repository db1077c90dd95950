"""Grouped queries that join a table, the fact table, with others.

Rows of the fact table with the same dimensions join the same rows of the others. So each group of
its summary stands, joined likewise, for as many rows as the group has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sqlglot import exp

from tools.messages import TableName
from tools.product.candidates.grouped import PARTS, named_table, plain, plain_select
from tools.product.catalog import table_key
from tools.product.identifiers import folded

_MODIFIERS = (exp.Order, exp.Limit, exp.HavingMax, exp.IgnoreNulls, exp.RespectNulls)
OTHERS = "pillion_other_column_"
_JOINED = frozenset({"this", "kind", "side", "on", "using"})
_INNER = frozenset({"", "INNER", "CROSS"})
_LEFT = frozenset({"", "OUTER"})
_WHOLE = frozenset({
    exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.UTINYINT,
    exp.DType.USMALLINT, exp.DType.UINT,
})  # fmt: skip
"""Types whose sum over all rows there can be fits into the type of a sum."""


class Star(NamedTuple):
    """A query around its fact table."""

    tree: exp.Select
    """The query with names for the columns of other tables that no column has.

    What is left qualified is the fact's, what is left unqualified the name of an output.
    """
    hidden: Mapping[str, exp.Column]
    """What those names stand for."""
    at: int
    """The fact table's place among the sources."""
    own: str
    """What the fact table is called here."""
    sources: tuple[tuple[str, TableName], ...]
    """All tables and what they are called."""
    merged: frozenset[str]
    """Columns that USING names."""

    @property
    def of_every_row(self) -> bool:
        """Whether neither a join nor a filter leaves out a row of the fact table."""
        kept = self.at == 0 and all(j.side == "LEFT" for j in self.tree.args["joins"])
        return kept and not self.tree.args.get("where") and not self.tree.args.get("having")

    @property
    def named(self) -> dict[str, exp.Expr]:
        """The outputs that are asked for by their names."""
        names = {folded(c.name) for c in self.tree.find_all(exp.Column) if is_output(c)}
        return {folded(e.alias): e.this for e in self.tree.expressions if folded(e.alias) in names}

    def sealed(self) -> tuple[exp.Select, Mapping[str, exp.Column]]:
        """Return the tree with names of outputs hidden, too, and what is hidden in it."""
        tree, hidden = self.tree.copy(), dict(self.hidden)
        for column in list(tree.find_all(exp.Column)):
            if is_output(column):
                _hide(column, hidden)
        return tree, hidden


def sources_of(tree: exp.Select) -> list[exp.Expr]:
    """Return what a query reads from, in its order."""
    return [tree.args["from_"].this, *(j.this for j in tree.args.get("joins") or ())]


def joined_tables(tree: exp.Expr, database: str) -> list[tuple[str, TableName]]:
    """Return the tables that a plain grouped query joins, and what it calls them; else none."""
    if not isinstance(tree, exp.Select) or not plain_select(tree, PARTS | {"joins"}):
        return []
    joins = tree.args.get("joins") or ()
    if not joins or tree.args.get("from_") is None or not all(_plain_join(j) for j in joins):
        return []
    if tree.find(exp.Dot) is not None:
        # The names before a method are no columns to the tree.
        return []
    found: list[tuple[str, TableName]] = []
    for source in sources_of(tree):
        name = named_table(source, database)
        if name is None:
            return []
        found.append((folded(source.alias_or_name), name))
    return found if len({called for called, _ in found}) == len(found) else []


def _plain_join(join: exp.Join) -> bool:
    kinds = _LEFT if join.side == "LEFT" else _INNER
    extra = any(v for k, v in join.args.items() if k not in _JOINED)
    return join.side in ("", "LEFT") and join.kind in kinds and not extra


def star_of(tree: exp.Expr, fact: TableName, database: str) -> Star | None:
    """Return a query around its fact table; None where that is not read once, or NULLs for it."""
    sources = tuple(joined_tables(tree, database))
    places = [i for i, (_, name) in enumerate(sources) if table_key(name) == table_key(fact)]
    if len(places) != 1 or not isinstance(tree, exp.Select):
        return None
    (at,) = places
    tree, hidden = tree.copy(), dict[str, exp.Column]()
    joins: list[exp.Join] = tree.args["joins"]
    if at > 0 and joins[at - 1].side == "LEFT":
        return None
    merged = frozenset(folded(n.name) for j in joins for n in j.args.get("using") or ())
    star = Star(tree, hidden, at, sources[at][0], sources, merged)
    return star if _hide_others(star, hidden) and _names_clear(star) else None


def _hide_others(star: Star, hidden: dict[str, exp.Column]) -> bool:
    """Hide the columns of other tables; return whether it is told whose every column is."""
    called = {name for name, _ in star.sources}
    for column in list(star.tree.find_all(exp.Column)):
        table, name = folded(column.table), folded(column.name)
        if len(column.parts) > 2:
            return False
        if table in called or name in star.merged and not table:
            if table != star.own:
                _hide(column, hidden)
        elif table or not _may_be_output(column) or name in called:
            return False
    return True


def _hide(column: exp.Column, hidden: dict[str, exp.Column]) -> None:
    """Give a column a name that is the same for each mention of it."""
    meant = (folded(column.table), folded(column.name))
    known = {(folded(c.table), folded(c.name)): name for name, c in hidden.items()}
    name = known.get(meant, f"{OTHERS}{len(hidden)}")
    hidden.setdefault(name, column.copy())
    column.replace(exp.column(exp.to_identifier(name, quoted=True)))


def _may_be_output(column: exp.Column) -> bool:
    inside = (exp.AggFunc, exp.Filter, exp.Where, exp.Join)
    asked = column.find_ancestor(exp.Group, exp.Order, exp.Having)
    return asked is not None and column.find_ancestor(*inside) is None


def is_output(column: exp.Column) -> bool:
    """Whether a column in a star's tree is the name of an output."""
    return not column.table and not column.name.startswith(OTHERS)


def _names_clear(star: Star) -> bool:
    """Whether each name that is no table's column is that of one output."""
    given = [folded(e.alias or _column_name(e, star)) for e in star.tree.expressions]
    asked = {folded(c.name) for c in star.tree.find_all(exp.Column) if is_output(c)}
    return all(given.count(name) == 1 for name in asked) and asked == star.named.keys()


def _column_name(projection: exp.Expr, star: Star) -> str:
    meant = star.hidden.get(projection.name, projection)
    return meant.name if isinstance(meant, exp.Column) else ""


class OfOthers(NamedTuple):
    """An aggregate over columns of other tables, each of which stands for several rows."""

    node: exp.AggFunc
    condition: exp.Expr | None
    """Which rows it takes, where it has a FILTER."""

    def said_by(self, replace: Callable[[exp.Expr], exp.Expr]) -> OfOthers:
        """Return the same with what it computes replaced."""
        node: exp.AggFunc = self.node.copy()
        node.set("this", replace(self.node.this))
        return OfOthers(node, replace(self.condition) if self.condition is not None else None)

    def weighted(self, rows: exp.Expr) -> exp.Expr | None:
        """Return the same where every row stands for `rows`; None where that is not exact."""
        node, value = self.node, self.node.this
        if (
            not plain(node)
            or value.find(*_MODIFIERS)
            or not all(is_other(c) for c in value.find_all(exp.Column))
        ):
            return None
        if type(node) in (exp.Min, exp.Max, exp.AnyValue):
            return self._filtered(node.copy())
        if type(node) is exp.Count:
            known = exp.Not(this=exp.Is(this=_bracketed(value), expression=exp.null()))
            counted = OfOthers(node, exp.and_(known, self.condition, copy=True))
            total = counted._filtered(exp.Sum(this=rows))
            zero = [exp.Literal.number(0)]
            return exp.cast(exp.Greatest(this=total, expressions=zero, ignore_nulls=True), "BIGINT")
        if type(node) is exp.Sum and type(value) in (exp.Cast, exp.TryCast) and _is_whole(value):
            wide = exp.cast(value.copy(), "HUGEINT")
            return self._filtered(exp.Sum(this=exp.Mul(this=wide, expression=rows)))
        return None

    def _filtered(self, node: exp.Expr) -> exp.Expr:
        if self.condition is None:
            return node
        return exp.Filter(this=node, expression=exp.Where(this=self.condition.copy()))


def _bracketed(node: exp.Expr) -> exp.Expr:
    return node.copy() if isinstance(node, exp.Column) else exp.Paren(this=node.copy())


def _is_whole(cast: exp.Expr) -> bool:
    extra = any(v for k, v in cast.args.items() if k not in ("this", "to", "safe"))
    return cast.args["to"].this in _WHOLE and not extra


def of_others(node: exp.Expr) -> OfOthers | None:
    """Return the aggregate that a node is, if it computes with columns of other tables."""
    inner = node.this if isinstance(node, exp.Filter) else node
    if isinstance(inner, exp.IgnoreNulls) and isinstance(inner.this, exp.AnyValue):
        # The engine's `any_value` is said so to leave NULLs out, as it does.
        inner = inner.this
    others = (c for c in inner.find_all(exp.Column) if is_other(c))
    if not isinstance(inner, exp.AggFunc) or next(others, None) is None:
        return None
    condition = node.expression.this if isinstance(node, exp.Filter) else None
    return OfOthers(inner, condition)


def is_other(column: exp.Column) -> bool:
    """Whether a column in a star's tree is one of another table."""
    return not column.table and column.name.startswith(OTHERS)
