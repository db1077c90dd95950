"""How many groups a summary would have: counted on the product, on a sample where it is large."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.messages import TableName
from tools.product.candidates.context import CandidateContext
from tools.product.errors import DatabaseUnusable, ProductError

MAX_SHARE = 1 / 20
"""Most groups a summary may have, as a share of the base table's rows.

With 1 / 10, what several queries need together grew past what is worth its upkeep, and a table has
one summary (docs/benchmarks.md, casting).
"""
MAX_SHARE_OF_ONE = 1 / 10
"""The same of a grouping for one query, beside others in one summary: it has nothing to grow by."""
MAX_COUNTS = 64
"""Most sets of dimensions that are counted for what queries need together."""
SAMPLE_ROWS = 2_000_000
"""Rows that one count reads, about: it runs beside the product's consumers."""
SAMPLE_SEED = 20_261_125


@dataclass
class GroupCounts:
    """Counts groups, each set of dimensions once."""

    context: CandidateContext
    counted: dict[tuple[TableName, frozenset[str]], int] = field(default_factory=dict)

    def count(self, table: TableName, dimensions: frozenset[str]) -> int:
        """Return how many groups there are, estimated for a large table; raises `ProductError`."""
        key = (table, dimensions)
        if key not in self.counted:
            found = self.context.catalog.table(table)
            self.counted[key] = self._count(table, dimensions, found.rows if found else 0)
        return self.counted[key]

    def few(self, table: TableName, dimensions: frozenset[str], share: float = MAX_SHARE) -> bool:
        """Whether a summary would be much smaller than its table, as far as may be asked."""
        if (table, dimensions) not in self.counted and len(self.counted) >= MAX_COUNTS:
            return False
        try:
            found = self.context.catalog.table(table)
            return found is not None and self.count(table, dimensions) <= found.rows * share
        except DatabaseUnusable:
            raise
        except ProductError:
            return False

    def _count(self, table: TableName, dimensions: frozenset[str], rows: int) -> int:
        large = rows > SAMPLE_ROWS
        share = f"{100 * SAMPLE_ROWS / max(rows, 1):.6f}%"
        sample = f" TABLESAMPLE system({share}) REPEATABLE ({SAMPLE_SEED})" if large else ""
        keys = ", ".join(sorted(dimensions)) or "()"
        seen, once, twice = self.context.probe(
            "SELECT count(*), count_if(n = 1), count_if(n = 2) "
            f"FROM (SELECT count(*) AS n FROM {table.sql}{sample} GROUP BY {keys})"
        )[0]
        unseen = unseen_groups(int(once), int(twice)) if large else 0
        return min(int(seen) + unseen, rows)


def unseen_groups(once: int, twice: int) -> int:
    """Estimate how many groups a sample missed, from those it saw once and twice.

    Chao, Scandinavian Journal of Statistics 11 (1984), 265-270.
    """
    return once * once // (2 * twice) if twice else once * (once - 1) // 2
