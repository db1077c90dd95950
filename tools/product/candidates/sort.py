"""Sort orders: zone maps prune row groups only when a filtered column is clustered.

A join filters, too: the engine narrows the scan of one side to the keys it found on the other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from contextlib import suppress
from math import isfinite
from typing import NamedTuple

from tools.messages import Candidate, SortTable, change_id
from tools.product.candidates.context import ROW_GROUP, CandidateContext, Found, each, weight
from tools.product.catalog import Table
from tools.product.rebuild import literal

RANGES = frozenset({"=", "<", "<=", ">", ">=", "between"})
MAX_PER_TABLE = 2
CLUSTERED_DEPTH = 0.35
"""Average share of row groups a value can lie in; below this a column is clustered already."""
JOINED = 0.5
"""A key counts this much of a filter: what it narrows a scan to depends on the other table."""


class _Use(NamedTuple):
    """What queries that one order could help take, and why it could."""

    saved: float
    reason: str


def find_sorts(context: CandidateContext) -> Found:
    """Propose the heaviest columns that scans are narrowed by and that are not clustered yet."""
    large = [t for t in context.catalog.tables if t.rows >= 2 * ROW_GROUP]
    return each(context.steps, large, lambda table: _ideas(context, table))


def _ideas(context: CandidateContext, table: Table) -> Found:
    candidates: list[Candidate] = []
    notes: list[str] = []
    uses = _uses(context, table)
    for column in sorted(uses, key=lambda c: (-uses[c].saved, c))[:MAX_PER_TABLE]:
        if clustering_depth(context, table, column) <= CLUSTERED_DEPTH:
            notes.append(f"{table.name} is already clustered by {column}")
        else:
            candidates.append(_candidate(context, table, column, uses[column]))
    return Found(tuple(candidates), tuple(notes))


def _uses(context: CandidateContext, table: Table) -> dict[str, _Use]:
    filtered: dict[str, float] = defaultdict(float)
    joined: dict[str, float] = defaultdict(float)
    for pattern in context.workload.reading(table.name):
        others_filtered = any(
            "filter" in u.roles and u.table != table.name for u in pattern.columns
        )
        for use in pattern.columns:
            if use.table != table.name:
                continue
            if "filter" in use.roles and RANGES & set(use.operators):
                filtered[use.column] += weight(pattern)
            elif "join" in use.roles and others_filtered:
                joined[use.column] += JOINED * weight(pattern)
    return {
        column: _Use(
            filtered[column] + joined[column],
            f"queries filter on {column}"
            if filtered[column] >= joined[column]
            else f"queries join filtered rows on {column}",
        )
        for column in filtered.keys() | joined.keys()
    }


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


def _candidate(context: CandidateContext, table: Table, column: str, use: _Use) -> Candidate:
    change = SortTable(table=table.name, order_by=(column,))
    return Candidate(
        id=change_id(context.product, change),
        agent="schema",
        change=change,
        reason=f"{use.reason} and have to scan every row group",
        promise=use.saved * 0.5,
    )
