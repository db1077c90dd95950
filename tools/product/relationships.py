"""Relationships that a contract states: the columns at both ends of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    Relationship,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import TableName
from tools.product.catalog import Catalog
from tools.product.contract_objects import (
    Names,
    column_name,
    name_parts,
    names_of,
    nested,
    promised_objects,
    same_table,
)
from tools.product.contract_queries import Relation
from tools.product.stored_queries import View


@dataclass(frozen=True)
class End:
    """One end of a relationship, by the relationship's path; `other` is the end it faces."""

    path: str
    relation: Relation
    column: str
    other: str

    def touches(self, catalog: Catalog, table: TableName, column: str | None) -> bool:
        """Return whether it is a column, or anything of a table, also through a view."""
        if isinstance(self.relation, View):
            return catalog.stored.reaches(self.relation, table, column)
        same = column is None or self.column.lower() == column.lower()
        return same and same_table(self.relation.name, table)


def ends(contract: OpenDataContractStandard, catalog: Catalog) -> Iterator[End]:
    """Yield both ends of each relationship, as far as they are in the database."""
    objects = _Objects(names_of(contract, catalog), tuple(promised_objects(contract, catalog)))
    for promise, _ in objects.promised:
        own = promise.name or ""
        path = f"schema.{own}"
        for at, stated in enumerate(promise.relationships or ()):
            pairs = _pairs(_listed(stated.from_), _listed(stated.to))
            yield from objects.ends(f"{path}.relationships.{at}", promise, pairs)
        for prop in promise.properties or ():
            for at, stated in enumerate(_inside(prop)):
                pairs = _pairs(_listed(stated.from_), _listed(stated.to), prop.name or "")
                where = f"{path}.properties.{prop.name}.relationships.{at}"
                yield from objects.ends(where, promise, pairs)


def named(contract: OpenDataContractStandard, catalog: Catalog) -> Iterator[End]:
    """Yield the columns that service levels are measured by, or that hold encrypted values."""
    objects = _Objects(names_of(contract, catalog), tuple(promised_objects(contract, catalog)))
    levels = [(f"slaProperties.{at}.element", level.element)
              for at, level in enumerate(contract.slaProperties or ())]  # fmt: skip
    for path, text in (*levels, ("slaDefaultElement", contract.slaDefaultElement)):
        for element in (text or "").split(","):
            yield from objects.means(path, element.strip(), SchemaObject())
    for promise, _ in objects.promised:
        for prop in promise.properties or ():
            path = f"schema.{promise.name}.properties.{prop.name}.encryptedName"
            yield from objects.means(path, prop.encryptedName or "", promise)


def _inside(prop: SchemaProperty) -> Iterator[Relationship]:
    for inner in nested((prop,)):
        yield from inner.relationships or ()


def _listed(stated: str | list[str] | None) -> list[str]:
    return [stated] if isinstance(stated, str) else list(stated or ())


def _pairs(left: list[str], right: list[str], own: str = "") -> list[tuple[str, str]]:
    """Pair the columns of both ends; where they don't pair, each faces each."""
    left = left or [own]
    if len(left) == len(right):
        return list(zip(left, right, strict=True))
    return [(one, other) for one in left for other in right or [""]]


@dataclass(frozen=True)
class _Objects:
    """What the names at the ends of relationships can mean."""

    names: Names
    promised: tuple[tuple[SchemaObject, tuple[Relation, ...]], ...]

    def ends(self, path: str, home: SchemaObject, pairs: list[tuple[str, str]]) -> Iterator[End]:
        for left, right in pairs:
            for text, other in ((left, right), (right, left)):
                faced = other if "." in other or "/" in other else f"{home.name}.{other}"
                for relation, column in self._columns(text, home):
                    yield End(path, relation, column, faced)

    def means(self, path: str, text: str, home: SchemaObject) -> Iterator[End]:
        for relation, column in self._columns(text, home):
            yield End(path, relation, column, "")

    def _columns(self, text: str, home: SchemaObject) -> Iterator[tuple[Relation, str]]:
        """Yield what `table.column`, or `schema/table/properties/column`, means."""
        file, _, inside = text.rpartition("#")
        if file or not inside:
            return  # Another contract keeps its own promises.
        steps = inside.strip("/").split("/")
        if len(steps) >= 4 and steps[0] == "schema" and steps[2] == "properties":
            yield from self._stated(steps[1].lower(), steps[3].lower())
            return
        parts = name_parts(inside)
        if len(parts) == 1:
            yield from self._stated((home.name or "").lower(), parts[0])
        # What follows the column's name is inside the column.
        for cut in range(len(parts) - 1, 0, -1):
            found = list(self._stated(".".join(parts[:cut]), parts[cut]))
            found = found or [(r, parts[cut]) for r in self.names.called(parts[:cut])]
            known = [(r, c) for r, c in found if isinstance(r, View) or r.column(c)]
            if known:
                yield from known
                return

    def _stated(self, called: str, column: str) -> Iterator[tuple[Relation, str]]:
        """Yield a column by the names, or ids, that the contract gives it and its table."""
        for promise, meant in self.promised:
            own = {(n or "").lower() for n in (promise.name, promise.id)}
            if called in own or ".".join(name_parts(promise.physicalName or "")) == called:
                stored = next((column_name(p) for p in _called(promise, column)), column)
                yield from ((relation, stored) for relation in meant)


def _called(promise: SchemaObject, column: str) -> Iterator[SchemaProperty]:
    for prop in promise.properties or ():
        if column in {(n or "").lower() for n in (prop.name, prop.id, column_name(prop))}:
            yield prop
