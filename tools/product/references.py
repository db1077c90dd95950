"""Which views read a table or one of its columns."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import TableName
from tools.product.catalog import Catalog


def views_reading(catalog: Catalog, table: TableName, column: str | None) -> tuple[str, ...]:
    """Return the views that read `table` (or, of it, `column` or everything).

    A view that cannot be parsed counts as reading: dropping under it would be a guess.
    """
    return tuple(str(v.name) for v in catalog.views if _reads(v.definition, table, column))


def _reads(definition: str, table: TableName, column: str | None) -> bool:
    try:
        tree = sqlglot.parse_one(definition, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return True
    names = {t.name.lower() for t in tree.find_all(exp.Table)}
    if table.name.lower() not in names:
        return False
    if column is None or tree.find(exp.Star):
        return True
    return any(c.name.lower() == column.lower() for c in tree.find_all(exp.Column))
