"""What of the database reads a table or one of its columns, so that neither may go."""

from __future__ import annotations

from tools.messages import TableName
from tools.product.catalog import Catalog
from tools.product.errors import Refused


def refuse_read(catalog: Catalog, table: TableName, column: str | None) -> None:
    """Raise `Refused` when a view or a macro reads `table` (or, of it, `column` or everything).

    One that cannot be parsed counts as reading what it may name: to drop that would be a guess.
    """
    reading = catalog.stored.reading(table, column)
    if reading:
        target = f"{table}.{column}" if column else str(table)
        raise Refused(f"The {reading[0].label} reads {target}.")
