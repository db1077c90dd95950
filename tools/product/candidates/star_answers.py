"""Answering a query that joins a table with others from the table's summary, joined likewise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlglot import exp

from tools.messages import TableName, quoted
from tools.product.candidates.star import Star, sources_of
from tools.product.identifiers import folded


class Held(NamedTuple):
    """What a summary holds, and what stands for it."""

    dimensions: Mapping[str, str]
    """Columns by what they were computed from."""
    columns: frozenset[str]
    """The names of all its columns, folded."""
    only: exp.Expr | None
    """A condition for the rows that are read of it, if there is one."""
    replace: Callable[[exp.Expr], exp.Expr]
    projected: Callable[[exp.Expr, str | None], exp.Expr]
    """Replaces inside a projection and keeps the name consumers know it by."""
    mark: str
    """What the names of its columns begin with in what is replaced."""


def star_answer(
    star: Star, names: Sequence[str | None], held: Held, summary: TableName
) -> str | None:
    """Return a query over the joined summary; None where a name would mean another thing."""
    if not _joined(star, held) or not _outputs_kept(star, names, held):
        return None
    new, hidden = star.sealed()
    named = zip(new.expressions, names, strict=True)
    new.set("expressions", [_projected(e, n, held, hidden) for e, n in named])
    for part in ("where", "group", "having", "order"):
        if new.args.get(part) is not None:
            new.set(part, held.replace(new.args[part]))
    for join in new.args["joins"]:
        if join.args.get("on") is not None:
            join.set("on", held.replace(join.args["on"]))
    new.where(held.only, copy=False)
    own = _put_summary(new, star, summary)
    told = _put_columns(new, hidden, held, own)
    return str(new.sql(dialect="duckdb", comments=False)) if told else None


def _joined(star: Star, held: Held) -> bool:
    """Whether names that USING takes are the summary's, too, and no source is called like them."""
    kept = {n for n in star.merged if folded(held.dimensions.get(quoted(n), "")) == n}
    return kept == star.merged and not any(name in held.columns for name, _ in star.sources)


def _outputs_kept(star: Star, names: Sequence[str | None], held: Held) -> bool:
    """Whether what asks for an output by its name still does, and nothing else."""
    if len(names) != len(star.tree.expressions) or None in names:
        return False
    for name, output in star.named.items():
        same = isinstance(output, exp.Column) and folded(output.name) == name and output.table
        stored = folded(held.dimensions.get(quoted(name), "")) == name
        if name in held.columns and not (same and stored):
            return False
    pairs = zip(names, star.tree.expressions, strict=True)
    computed = {folded(n) for n, e in pairs if n and not isinstance(e, exp.Alias | exp.Column)}
    return not computed & (star.merged | star.named.keys())


def _projected(
    projection: exp.Expr, name: str | None, held: Held, hidden: Mapping[str, exp.Column]
) -> exp.Expr:
    """Replace inside a projection; a column keeps its table's spelling without an alias."""
    if projection.name in hidden and isinstance(projection, exp.Column):
        return projection
    new = held.projected(projection, name)
    if isinstance(projection, exp.Column) and new.this.name == held.mark + new.alias:
        column: exp.Expr = new.this
        return column
    return new


def _put_summary(new: exp.Select, star: Star, summary: TableName) -> exp.Identifier:
    """Put the summary in its table's place, under the name that has; return that."""
    fact = sources_of(new)[star.at]
    alias = fact.args.get("alias")
    own: exp.Identifier = (alias.this if alias is not None else fact.this).copy()
    fact.replace(
        exp.Table(
            this=exp.to_identifier(summary.name, quoted=True),
            db=exp.to_identifier(summary.schema_name, quoted=True),
            alias=exp.TableAlias(this=own),
        )
    )
    return own


def _put_columns(
    new: exp.Select, hidden: Mapping[str, exp.Column], held: Held, own: exp.Identifier
) -> bool:
    """Put what is hidden back, and the summary's columns; return whether that is all."""
    for column in list(new.find_all(exp.Column)):
        name = column.name
        if column.table:
            return False
        if name.startswith(held.mark):
            kept = exp.to_identifier(name.removeprefix(held.mark), quoted=True)
            column.replace(exp.Column(this=kept, table=own.copy()))
        elif name in hidden:
            column.replace(hidden[name].copy())
        else:
            return False
    return True
