"""Changes drawn by lot: whatever could be said about a schema, sensible or not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from mcp_servers.product.contract import ColumnDescription, TableDescription
from tools.messages import (
    AddNotNull,
    Change,
    ChangeType,
    CreateIndex,
    DropColumn,
    SortTable,
    TableName,
    change_id,
    quoted,
)

DRAWN = 5
"""Changes a product: about as many as the advisor offers where there is much to do."""
TYPES = ("BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR")
Draw = Callable[[TableName, ColumnDescription, random.Random], Change | None]


def random_changes(
    product: str, tables: tuple[TableDescription, ...], seed: int
) -> dict[str, Change]:
    """Return up to `DRAWN` different changes of a product, the same ones for the same seed."""
    rng = random.Random(f"{product}:{seed}")
    columns = [(t.name, c) for t in tables for c in t.columns]
    found: dict[str, Change] = {}
    for change in _drawn(columns, rng):
        found[change_id(product, change)] = change
        if len(found) == DRAWN:
            break
    return found


def _drawn(
    columns: list[tuple[TableName, ColumnDescription]], rng: random.Random
) -> Iterator[Change]:
    """Yield a change for one column after the other; a product of few columns gives few."""
    for draw in rng.sample(DRAWS, len(DRAWS)) * DRAWN:
        if not columns:
            return
        table, column = rng.choice(columns)
        change = draw(table, column, rng)
        if change is not None:
            yield change


def _index(table: TableName, column: ColumnDescription, rng: random.Random) -> Change:
    name = f"random_{table.name}_{column.name}"[:60]
    return CreateIndex(table=table, columns=(column.name,), name=name)


def _order(table: TableName, column: ColumnDescription, rng: random.Random) -> Change:
    return SortTable(table=table, order_by=(column.name,))


def _drop(table: TableName, column: ColumnDescription, rng: random.Random) -> Change:
    return DropColumn(table=table, column=column.name, type=column.type)


def _not_null(table: TableName, column: ColumnDescription, rng: random.Random) -> Change | None:
    return AddNotNull(table=table, column=column.name) if column.nullable else None


def _type(table: TableName, column: ColumnDescription, rng: random.Random) -> Change | None:
    to_type = rng.choice([t for t in TYPES if t != column.type])
    name = quoted(column.name)
    return ChangeType(
        table=table,
        column=column.name,
        from_type=column.type,
        to_type=to_type,
        forward=f"CAST({name} AS {to_type})",
        backward=f"CAST({name} AS {column.type})",
    )


DRAWS: tuple[Draw, ...] = (_index, _order, _drop, _not_null, _type)
