"""What a finder of candidates is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tools.messages import Candidate, TableName
from tools.product.catalog import Catalog, Table
from tools.product.errors import DatabaseUnusable, ProductError
from tools.product.steps import Steps
from tools.product.workload import ColumnUse, QueryPattern, Workload

Probe = Callable[..., list[tuple[Any, ...]]]
ROW_GROUP = 122_880
"""Rows of a DuckDB row group; smaller tables have nothing to prune."""


class Found(NamedTuple):
    """Ideas worth measuring, and notes on what was looked at in vain."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CandidateContext:
    """The product as a finder sees it; `probe` runs read-only SQL."""

    product: str
    catalog: Catalog
    workload: Workload
    probe: Probe
    promised: frozenset[tuple[TableName, str]] = frozenset()
    required: frozenset[tuple[TableName, str]] = frozenset()
    checks: tuple[tuple[TableName, str, str], ...] = ()
    steps: Steps = field(default_factory=Steps, compare=False)
    """Told which finder looks, and at how many tables it looked."""

    @cached_property
    def _uses(self) -> dict[tuple[str, str, str], list[tuple[QueryPattern, ColumnUse]]]:
        found: dict[tuple[str, str, str], list[tuple[QueryPattern, ColumnUse]]] = {}
        for pattern in self.workload.patterns:
            for use in pattern.columns:
                key = (use.table.schema_name, use.table.name, use.column)
                found.setdefault(key, []).append((pattern, use))
        return found

    def uses(self, table: TableName, column: str) -> tuple[tuple[QueryPattern, ColumnUse], ...]:
        """Return the patterns that use a column, with how."""
        return tuple(self._uses.get((table.schema_name, table.name, column), ()))


def each(steps: Steps, tables: Sequence[Table], look: Callable[[Table], Found]) -> Found:
    """Look at every table; one whose data cannot be asked becomes a note."""
    candidates: list[Candidate] = []
    notes: list[str] = []
    for at, table in enumerate(tables, start=1):
        steps.part(0, f"table {at} of {len(tables)}")
        try:
            found = look(table)
        except DatabaseUnusable:
            raise
        except ProductError as exc:
            notes.append(f"{table.name} was left out: {str(exc).splitlines()[0][:300]}")
            continue
        candidates += found.candidates
        notes += found.notes
    return Found(tuple(candidates), tuple(notes))


def weight(pattern: QueryPattern) -> float:
    """Return what a pattern costs in all: its milliseconds, or its runs where none are known."""
    return pattern.total_ms or float(pattern.runs)
