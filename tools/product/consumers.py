"""Who reads what a change alters: consumers that the contract names at its tables and columns.

ODCS has no word for them, so they stand in the custom property `consumers`: a list of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
)

from tools.messages import Change, ChangeType, DropColumn, DropTable
from tools.product.catalog import Catalog
from tools.product.contract_objects import column_name, promised_tables
from tools.product.promised_views import retyped

PROPERTY = "consumers"


def affected(
    contract: OpenDataContractStandard, change: Change, catalog: Catalog
) -> tuple[str, ...]:
    """Return who would be given another type, or nothing any more, sorted by name.

    Other changes alter how an answer is found, or what may be written, and no answer.
    """
    if not isinstance(change, ChangeType | DropColumn | DropTable):
        return ()
    column = None if isinstance(change, DropTable) else change.column.lower()
    changed = catalog.table(change.table)
    names = {
        name
        for promise, table in promised_tables(contract, catalog)
        if table == changed
        for name in _readers(promise, column)
    }
    if isinstance(change, ChangeType):
        for view in retyped(contract, change, catalog):
            names.update(_readers(view.promise, column_name(view.prop).lower()))
    return tuple(sorted(names))


def _readers(promise: SchemaObject, column: str | None) -> Iterator[str]:
    """Yield who reads a column, or any where it is None: whoever reads the table may read each."""
    yield from _named(promise.customProperties)
    for prop in promise.properties or ():
        if column is None or column_name(prop).lower() == column:
            yield from _named(prop.customProperties)


def _named(stated: Iterable[CustomProperty] | None) -> Iterator[str]:
    """Yield the names that a place states; what is no name is left out."""
    for own in stated or ():
        if own.property == PROPERTY:
            listed = own.value if isinstance(own.value, list) else [own.value]
            yield from (v.strip() for v in listed if isinstance(v, str) and v.strip())
