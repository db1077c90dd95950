"""The product at a glance."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from mcp_servers.product.contract import ColumnDescription, ProductDescription, TableDescription
from tools.messages import TableName
from tools.product.catalog import Table, schema_hash
from tools.product.contract import contradictions, facts, load_contract
from tools.product.descriptor import Descriptor
from tools.product.owner import Owner
from tools.product.profile import is_key


def description(owner: Owner, descriptor: Descriptor) -> ProductDescription:
    """Return tables, columns, size, where the contract disagrees and what answers no more."""
    catalog = owner.catalog()
    contract = load_contract(Path(descriptor.contract))
    promised = {(t, c.lower()) for t, c in facts(contract, catalog).promised}
    return ProductDescription(
        name=descriptor.name,
        engine=catalog.engine,
        database=catalog.database,
        bytes=Path(descriptor.database).stat().st_size,
        tables=tuple(_table(t, promised) for t in catalog.tables),
        views=tuple(str(v.name) for v in catalog.views),
        contract=str(descriptor.contract),
        findings=tuple(f"{f.path}: {f.message}" for f in contradictions(contract, catalog)),
        idle=owner.idle_texts(catalog),
        schema_hash=schema_hash(catalog, [t.name for t in catalog.tables]),
    )


def _table(table: Table, promised: Set[tuple[TableName, str]]) -> TableDescription:
    columns = tuple(
        ColumnDescription(
            name=c.name, type=c.type, nullable=c.nullable, comment=c.comment,
            promised=(table.name, c.name.lower()) in promised, key=is_key(table, c.name),
        )
        for c in table.columns
    )  # fmt: skip
    indexes = tuple(i.name for i in table.indexes)
    return TableDescription(name=table.name, rows=table.rows, columns=columns, indexes=indexes)
