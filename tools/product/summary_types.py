"""Whether summaries still tell what their table holds once a column of it has another type."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
from sqlglot import exp

from tools.messages import ChangeType, CreateSummary
from tools.product.candidates.grains import grains_hold
from tools.product.candidates.grouped import parse_part
from tools.product.candidates.summary_shape import storable
from tools.product.candidates.whole_numbers import mistaken
from tools.product.catalog import Table, read_catalog
from tools.product.change_ledger import dispatch_rewrites
from tools.product.errors import ParseFailed
from tools.product.identifiers import folded
from tools.product.logical_types import family, normal_type
from tools.product.structure import mentions
from tools.product.summaries import exact_sum
from tools.product.summary_content import content, kept_rows, unkeyed
from tools.product.summary_refusals import refused_rows

_MOMENTS = ("date", "time", "timestamp")


def outdated(
    con: duckdb.DuckDBPyConnection, change: ChangeType, *, undone: bool = False
) -> CreateSummary | None:
    """Return a summary that is not what its table asks for, now that a type was changed.

    What a type that was there before allows (`undone`) was looked at when the summary was made.
    """
    answering = [made.change for made in dispatch_rewrites(con)]
    kept = [made for made in answering if isinstance(made, CreateSummary)]
    if not kept:
        return None
    catalog = read_catalog(con)
    table = catalog.table(change.table)
    for summary in kept:
        if table is None or catalog.table(summary.table) is not table:
            continue
        computed = any(_reads(summary, name) for name in _computed(table, change.column))
        if not computed and not _reads(summary, change.column):
            continue
        sound = undone or (not computed and _would_be_made(summary, table, change.column))
        if not sound or not _kept(con, summary):
            return summary
    return None


def _texts(summary: CreateSummary) -> Iterator[str]:
    yield from (d.expression for d in summary.dimensions)
    yield from (a.argument for a in summary.aggregates if a.argument)


def _reads(summary: CreateSummary, column: str) -> bool:
    return any(mentions(text, column) for text in _texts(summary))


def _computed(table: Table, column: str) -> list[str]:
    """Return the columns that the table may compute from a column, itself or by way of another."""
    made = [(c.name, c.generated) for c in table.columns if c.generated is not None]
    return [name for name, _ in made] if any(mentions(text, column) for _, text in made) else []


def _kept(con: duckdb.DuckDBPyConnection, summary: CreateSummary) -> bool:
    """Whether a summary holds what its query gives, of the same types."""
    sides = [unkeyed(summary, query) for query in (content(summary), kept_rows(summary))]
    now, kept = ([r[1] for r in con.execute(f"DESCRIBE {s}").fetchall()] for s in sides)
    if now != kept:
        return False
    differing = con.execute(
        f"WITH pillion_now AS MATERIALIZED ({sides[0]}), pillion_kept AS ({sides[1]})"
        " SELECT count(*) FROM ((FROM pillion_now EXCEPT ALL FROM pillion_kept)"
        " UNION ALL (FROM pillion_kept EXCEPT ALL FROM pillion_now))"
    ).fetchall()
    return differing == [(0,)]


def _would_be_made(summary: CreateSummary, table: Table, column: str) -> bool:
    """Whether a summary of the table as it is would be proposed and made."""
    try:
        sums = [parse_part(a.argument) for a in summary.aggregates if a.function == "sum"]
        read = [parse_part(text) for text in _texts(summary) if mentions(text, column)]
        sound = all(storable(node, table) and not _far(node, table, column) for node in read)
        exact = all(exact_sum(n, table) and not mistaken(n, table) for n in sums)
        return sound and exact and grains_hold(summary, table) and not refused_rows(summary, table)
    except ParseFailed:
        return False


def _far(node: exp.Expr, table: Table, name: str) -> bool:
    """Whether an expression may fail for days of a column that are further off than a TIMESTAMP's.

    So it does for those of a DATE or of seconds; and nanoseconds are rounded.
    """
    known = table.column(name)
    kind = normal_type(known.type) if known is not None else ""
    if kind == "TIMESTAMP" or family(kind) not in _MOMENTS:
        return False
    columns = (c for c in node.find_all(exp.Column) if folded(c.name) == folded(name))
    return any(c is not node and not _cast_to(c.parent, kind) for c in columns)


def _cast_to(node: exp.Expr | None, kind: str) -> bool:
    return isinstance(node, exp.Cast) and normal_type(node.to.sql(dialect="duckdb")) == kind
