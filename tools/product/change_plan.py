"""What every plan of a change is made of."""

from __future__ import annotations

from typing import NamedTuple

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.errors import SchemaDrift


class ChangePlan(NamedTuple):
    """The statements of a change and, in words, of its undo."""

    forward: tuple[str, ...]
    undo_steps: tuple[str, ...]
    kept: tuple[TableName, ...] = ()


class Then(NamedTuple):
    """A table as it was right before and right after a change."""

    before: Table
    after: Table


def kept_name(kind: str, proposal_id: str) -> TableName:
    """Return the table in schema pillion that keeps what undo of one proposal needs."""
    return TableName(schema_name="pillion", name=f"{kind}_{proposal_id}")


def table_of(catalog: Catalog, name: TableName) -> Table:
    """Return the table called `name`; raises `SchemaDrift` when there is none."""
    table = catalog.table(name)
    if table is None:
        raise SchemaDrift(f"There is no table {name} any more.")
    return table


def column_of(table: Table, name: str) -> Column:
    """Return the column called `name`; raises `SchemaDrift` when there is none."""
    column = table.column(name)
    if column is None:
        raise SchemaDrift(f"There is no column {table.name}.{name} any more.")
    return column


def stored_names(table: Table) -> str:
    """Return the quoted names of the columns that hold values of their own."""
    return ", ".join(quoted(c.name) for c in table.columns if c.generated is None)
