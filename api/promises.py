"""A product's tables by the names that people and its contract give them."""

from __future__ import annotations

from collections.abc import Iterable

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

from mcp_servers.product.contract import ProductDescription
from tools.product.catalog import Catalog, Table
from tools.product.contract_objects import name_parts, names_of, told_tables


def promised(
    described: ProductDescription, contract: OpenDataContractStandard
) -> tuple[tuple[SchemaObject, str], ...]:
    """Return each object of the contract, in order, with the table it means, in lower case."""
    return told_tables(contract, _outline(described))


def as_known(
    wanted: Iterable[str],
    known: Iterable[str],
    described: ProductDescription,
    contract: OpenDataContractStandard,
) -> dict[str, str | None]:
    """Return which known name each wanted one means, if any.

    Both are `TABLE` or `TABLE.COLUMN`, known ones in lower case. A table may have its schema and
    database before it, as in SQL.
    """
    present, names = set(known), names_of(contract, _outline(described))

    def found(name: str) -> str | None:
        if name.lower() in present:
            return name.lower()
        *parts, last = name_parts(name)
        tables = {str(m.name).lower() for m in names.meant(name)}
        if not tables and parts:
            tables = {f"{str(m.name).lower()}.{last}" for m in names.called(tuple(parts))}
        return tables.pop() if len(tables) == 1 and tables <= present else None

    return {name: found(name) for name in wanted}


def _outline(described: ProductDescription) -> Catalog:
    return Catalog(
        tables=tuple(Table(name=t.name, columns=(), rows=t.rows) for t in described.tables),
        engine=described.engine,
        database=described.database,
    )
