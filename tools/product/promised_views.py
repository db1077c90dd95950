"""What a change of a type does to the views that a contract promises.

Nobody can tell from a view's text what its columns will be, so the engine is asked: both structures
are made in memory, without a row, and their views compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty

from tools.messages import ChangeType
from tools.product.catalog import Catalog
from tools.product.contract_objects import column_name, promised_views
from tools.product.empty_copy import empty_copy


@dataclass(frozen=True)
class Retyped:
    """A promised column of a view, and what becomes of it."""

    promise: SchemaObject
    prop: SchemaProperty
    before: str
    after: str | None
    """None where the engine cannot tell, as of a view whose macro has a default."""


def retyped(
    contract: OpenDataContractStandard, change: ChangeType, catalog: Catalog
) -> Iterator[Retyped]:
    """Yield each promised column of a view that a change gives another type, or may."""
    promised = list(promised_views(contract, catalog))
    called = change.table.name.lower()
    if not promised or not any(called in s.definition.lower() for s in catalog.stored.all):
        return
    with empty_copy(catalog) as old, empty_copy(catalog, change) as new:
        before, after = old.views, new.views
    for promise, view in promised:
        told = view.name in before and view.name in after
        if not told and not catalog.stored.reaches(view, change.table, change.column):
            continue
        for prop in promise.properties or ():
            column = column_name(prop).lower()
            if not told:
                yield Retyped(promise, prop, "", None)
                continue
            was, becomes = before[view.name].get(column), after[view.name].get(column)
            if was != becomes:
                yield Retyped(promise, prop, was or "", becomes)
