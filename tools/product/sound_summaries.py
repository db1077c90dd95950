"""Whether a summary holds only what it can keep exact: candidates do, edits may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from tools.messages import GROUPING, KEY, Aggregate, CreateSummary, Dimension
from tools.product.candidates.grains import grain_of
from tools.product.candidates.grouped import parse_part
from tools.product.candidates.summary_shape import disordered, storable
from tools.product.candidates.whole_numbers import mistaken
from tools.product.catalog import Table
from tools.product.errors import ParseFailed
from tools.product.logical_types import zoned
from tools.product.number_types import floating
from tools.product.structure import collated
from tools.product.summaries import exact_sum


def unsound(change: CreateSummary, table: Table) -> str | None:
    """Return what a summary could not keep exact, in a sentence, if there is such."""
    try:
        return next(_faults(change, table), None)
    except ParseFailed as exc:
        return exc.message


def _faults(change: CreateSummary, table: Table) -> Iterator[str]:
    for dimension in change.dimensions:
        node = parse_part(dimension.expression)
        if not storable(node, table):
            yield f"{dimension.expression} cannot be a dimension: {_UNSTEADY}"
        if dimension.grain and grain_of(node, table) != dimension.grain:
            yield (
                f"{dimension.expression} does not tell the {dimension.grain} of a column as it is:"
                " a grain goes with date_trunc of a DATE or TIMESTAMP."
            )
    if collated(table):
        yield f"{change.table} declares a collation, to which texts are equal that it tells apart."
    if change.groupings and (why := ungroupable(change.dimensions, table)):
        yield why
    for aggregate in change.aggregates:
        if aggregate.argument:
            yield from _aggregate(aggregate, parse_part(aggregate.argument), table)


def _aggregate(aggregate: Aggregate, node: exp.Expr, table: Table) -> Iterator[str]:
    shown = f"{aggregate.function}({aggregate.argument})"
    if not isinstance(node, exp.Literal) and not storable(node, table):
        yield f"{shown} cannot be kept: {_UNSTEADY}"
    elif aggregate.function == "sum" and not exact_sum(node, table):
        yield f"{shown} cannot be kept exact: only sums of integers and decimals can."
    elif mistaken(node, table):
        yield f"{shown} cannot be kept: it would be read as whole numbers of a DOUBLE."
    elif aggregate.function in ("min", "max") and disordered(node, table):
        yield f"{shown} cannot be kept: such values have no one order."


def ungroupable(dimensions: Iterable[Dimension], table: Table) -> str | None:
    """Return why a summary cannot have several groupings by such dimensions.

    Their rows are told apart by the texts of their keys: an instant's depends on the zone, and
    equal floats may have two.
    """
    for name in (GROUPING, KEY):
        if table.column(name) is not None:
            return f"{table.name} has a column {name}, as a summary of several groupings would."
    for dimension in dimensions:
        node = parse_part(dimension.expression)
        column = table.column(node.name)
        if column is not None and zoned(column.type):
            return f"{dimension.expression} is {column.type}: that takes a summary of one grouping."
        if floating(node, table):
            return (
                f"{dimension.expression} may be a floating-point number, of which 0 has two texts:"
                " that takes a summary of one grouping."
            )
    return None


_UNSTEADY = "it must be computed from the table's columns alone, and be the same at any time."
