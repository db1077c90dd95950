"""Sort orders: zone maps prune row groups only when a filtered column is clustered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from contextlib import suppress
from math import isfinite

from tools.messages import Candidate, SortTable, change_id
from tools.product.candidates.context import ROW_GROUP, CandidateContext, Found, each, weight
from tools.product.catalog import Table
from tools.product.rebuild import literal

RANGES = frozenset({"=", "<", "<=", ">", ">=", "between"})
MAX_PER_TABLE = 2
CLUSTERED_DEPTH = 0.35
"""Average share of row groups a value can lie in; below this a column is clustered already."""


def find_sorts(context: CandidateContext) -> Found:
    """Propose the heaviest range-filtered columns that are not clustered yet."""
    large = (t for t in context.catalog.tables if t.rows >= 2 * ROW_GROUP)
    return each(large, lambda table: _ideas(context, table))


def _ideas(context: CandidateContext, table: Table) -> Found:
    candidates: list[Candidate] = []
    notes: list[str] = []
    saved = _filtered(context, table)
    for column in sorted(saved, key=lambda c: (-saved[c], c))[:MAX_PER_TABLE]:
        if clustering_depth(context, table, column) <= CLUSTERED_DEPTH:
            notes.append(f"{table.name} is already clustered by {column}")
        else:
            candidates.append(_candidate(context, table, (column,), saved[column]))
    return Found(tuple(candidates), tuple(notes))


def _filtered(context: CandidateContext, table: Table) -> dict[str, float]:
    saved: dict[str, float] = defaultdict(float)
    for pattern in context.workload.reading(table.name):
        for use in pattern.columns:
            if use.table == table.name and "filter" in use.roles and RANGES & set(use.operators):
                saved[use.column] += weight(pattern)
    return saved


def clustering_depth(context: CandidateContext, table: Table, column: str) -> float:
    """Return the average share of row groups whose range overlaps one row group's, 0..1.

    Read from storage metadata alone; 1.0 where the metadata says nothing.
    """
    rows = context.probe(
        f"SELECT row_group_id, min(stats.min::VARCHAR), max(stats.max::VARCHAR)"
        f" FROM pragma_storage_info({literal(table.name.sql)})"
        " WHERE lower(column_name) = lower(?) AND segment_type NOT IN ('VALIDITY')"
        " GROUP BY row_group_id",
        [column],
    )
    ranges = [(_number(low), _number(high)) for _, low, high in rows if low and high]
    if len(ranges) < 2:
        return 1.0
    lows, highs = sorted(r[0] for r in ranges), sorted(r[1] for r in ranges)
    overlaps = sum(bisect_right(lows, high) - bisect_left(highs, low) - 1 for low, high in ranges)
    return overlaps / (len(ranges) * (len(ranges) - 1))


def _number(text: str) -> tuple[float, str]:
    with suppress(ValueError):
        number = float(text)
        if isfinite(number):
            return (number, "")
    return (0.0, text)


def _candidate(
    context: CandidateContext, table: Table, columns: tuple[str, ...], saved: float
) -> Candidate:
    change = SortTable(table=table.name, order_by=columns)
    return Candidate(
        id=change_id(context.product, change),
        agent="schema",
        change=change,
        reason=f"queries filter on {', '.join(columns)} and have to scan every row group",
        promise=saved * 0.5,
    )
