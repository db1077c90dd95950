"""Which tables and views the objects of a contract mean, by names as SQL reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import TableName
from tools.product.catalog import Catalog, Column, Table, table_key
from tools.product.stored_queries import View

_PART = re.compile(r'"(?:[^"]|"")+"|[^".]+')
_DOTTED = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern}))*")
Parts = tuple[str, ...]
"""A name as SQL compares it: database, schema and table, as far as stated, in lower case."""


@dataclass(frozen=True)
class Names:
    """What is in the database, and where a contract says that it speaks of."""

    relations: tuple[Table | View, ...]
    by_name: Mapping[str, tuple[Table | View, ...]]
    """What has a name in any schema, by the name in lower case."""
    schemas: frozenset[str]
    databases: frozenset[str]

    def meant(self, name: str | None) -> tuple[Table | View, ...]:
        """Return what a name means: several where the same bare name stands in many schemas."""
        if not name:
            return ()
        # A table may have a dot in its name.
        return self.called(name_parts(name)) or self.called((name.strip().lower(),))

    def called(self, parts: Parts) -> tuple[Table | View, ...]:
        """Return what the parts of a name mean."""
        found = tuple(r for r in self.by_name.get(parts[-1], ()) if fits(parts, r.name))
        if not found and len(parts) == 2 and parts[0] in self.databases:
            return self.called(parts[1:])
        return self._preferred(found) if len(parts) == 1 else found

    def seen_from(self, schema: str) -> Names:
        """Return the names as a query sees them that runs in a schema."""
        return replace(self, schemas=frozenset((schema.lower(),)))

    def _preferred(self, found: tuple[Table | View, ...]) -> tuple[Table | View, ...]:
        stated = [r for r in found if r.name.schema_name.lower() in self.schemas]
        usual = [r for r in found if r.name.schema_name.lower() == "main"]
        if len(stated) == 1 or (not stated and usual):
            return tuple(stated or usual)
        return found


def names_of(contract: OpenDataContractStandard, catalog: Catalog) -> Names:
    """Return the names of a database, read as its contract's servers say."""
    servers = contract.servers or ()
    databases = {d for s in servers for d in (s.database, s.catalog) if d} | {catalog.database}
    relations: tuple[Table | View, ...] = (*catalog.tables, *catalog.views)
    by_name: dict[str, tuple[Table | View, ...]] = {}
    for found in relations:
        name = found.name.name.lower()
        by_name[name] = (*by_name.get(name, ()), found)
    return Names(
        relations=relations,
        by_name=by_name,
        schemas=frozenset(s.schema_.lower() for s in servers if s.schema_),
        databases=frozenset(n.lower() for d in databases if d for n in (d, PurePath(d).stem)),
    )


def promised_objects(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[SchemaObject, tuple[Table | View, ...]]]:
    """Yield each object of the contract with what it means, all of it where that is not clear."""
    names = names_of(contract, catalog)
    for promise in contract.schema_ or ():
        yield promise, names.meant(promise.physicalName) or names.meant(promise.name)


def promised_tables(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[SchemaObject, Table]]:
    """Yield each object of the contract with each table that it means."""
    for promise, meant in promised_objects(contract, catalog):
        yield from ((promise, found) for found in meant if isinstance(found, Table))


def promised_views(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[SchemaObject, View]]:
    """Yield each object of the contract with each view that it means."""
    for promise, meant in promised_objects(contract, catalog):
        yield from ((promise, found) for found in meant if isinstance(found, View))


def told_tables(
    contract: OpenDataContractStandard, catalog: Catalog
) -> tuple[tuple[SchemaObject, str], ...]:
    """Return each object of the contract, in order, with the table it means, in lower case.

    One that means no table, or several, keeps the name that it gives itself.
    """
    found = promised_objects(contract, catalog)
    return tuple((promise, _told(promise, meant)) for promise, meant in found)


def _told(promise: SchemaObject, meant: Iterable[Table | View]) -> str:
    tables = [str(m.name).lower() for m in meant if isinstance(m, Table)]
    return tables[0] if len(tables) == 1 else table_name(promise)


def name_parts(text: str) -> Parts:
    """Return the parts of a dotted name in lower case, without quotes; odd text is one part."""
    stripped = text.strip()
    if not _DOTTED.fullmatch(stripped):
        return (stripped.lower(),)
    return tuple(_unquoted(part).lower() for part in _PART.findall(stripped))


def fits(parts: Parts, table: TableName) -> bool:
    """Return whether a name may mean a table; which database it names is not looked at."""
    own = (table.schema_name.lower(), table.name.lower())
    return len(parts) <= 3 and parts[-2:] == own[-len(parts[-2:]) :]


def same_table(left: TableName, right: TableName) -> bool:
    """Return whether two names are the same to DuckDB."""
    return table_key(left) == table_key(right)


def table_name(promise: SchemaObject) -> str:
    """Return the name of the table that an object means, in lower case and without quotes."""
    return ".".join(name_parts(promise.physicalName or promise.name or "")[-2:]).removeprefix(
        "main."
    )


def column_name(prop: SchemaProperty) -> str:
    """Return the name of the column that a property means."""
    return _unquoted(prop.physicalName or prop.name or "")


def columns_by_name(table: Table) -> dict[str, Column]:
    """Return a table's columns by their names in lower case, as DuckDB compares them."""
    return {column.name.lower(): column for column in table.columns}


def nested(properties: Iterable[SchemaProperty]) -> Iterator[SchemaProperty]:
    """Yield properties and what stands inside them."""
    for prop in properties:
        yield prop
        yield from nested(prop.properties or ())


def _unquoted(part: str) -> str:
    if part[:1] == '"' and _PART.fullmatch(part):
        return part[1:-1].replace('""', '"')
    return part
