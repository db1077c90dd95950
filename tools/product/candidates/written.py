"""What statements that are not measured need: writes above all, which a dropped column breaks."""

from __future__ import annotations

from tools.messages import TableName
from tools.product.catalog import Table
from tools.product.workload import TableUse, Workload


class Written:
    """Which tables and columns the unmeasured statements of a workload name."""

    def __init__(self, workload: Workload) -> None:
        self._uses = {(u.table.schema_name, u.table.name): u for u in workload.named or ()}
        self._known = workload.named is not None or not workload.skipped_total

    def names(self, table: Table) -> bool:
        """Whether some statement needs this table."""
        return not self._known or self._about(table.name) is not None

    def needs(self, table: Table, column: str) -> bool:
        """Whether some statement needs this column; one that lists no columns needs them all."""
        use = self._about(table.name)
        return not self._known or (use is not None and use.holds(column))

    def upserts(self, table: TableName) -> bool:
        """Whether a table gets, or may get, MERGE or upserts: refused beside triggers."""
        use = self._about(table)
        return not self._known or (use is not None and use.upserted)

    def _about(self, table: TableName) -> TableUse | None:
        return self._uses.get((table.schema_name, table.name))
