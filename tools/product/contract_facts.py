"""What a contract promises about the tables at hand: columns, presence, and rules as SQL."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.logical_types import carries, is_text
from tools.product.stored_queries import View

BOUNDS = (
    ("minimum", ">="),
    ("maximum", "<="),
    ("exclusiveMinimum", ">"),
    ("exclusiveMaximum", "<"),
)
LENGTHS = (("minLength", ">="), ("maxLength", "<="))
BEYOND_RE2 = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]|\\k<|\\c[A-Za-z]")
"""Lookaround and back references, which DuckDB's regular expressions don't know."""


@dataclass(frozen=True)
class ContractFacts:
    """Promised columns, those that may not be missing, and rules: (table, column, SQL)."""

    promised: frozenset[tuple[TableName, str]]
    required: frozenset[tuple[TableName, str]]
    checks: tuple[tuple[TableName, str, str], ...]


def facts(contract: OpenDataContractStandard, catalog: Catalog) -> ContractFacts:
    """Return the promises about tables and columns that exist, by their names in the database."""
    promised: set[tuple[TableName, str]] = set()
    required: set[tuple[TableName, str]] = set()
    checks: dict[tuple[TableName, str, str], None] = {}
    for promise, table in promised_tables(contract, catalog):
        columns = columns_by_name(table) if table else {}
        for prop in promise.properties or ():
            column = columns.get(column_name(prop).lower())
            if table is None or column is None:
                continue
            promised.add((table.name, column.name))
            if is_required(prop):
                required.add((table.name, column.name))
            for sql in _checks(prop, column.name, column.type):
                checks[table.name, column.name, sql] = None
    return ContractFacts(frozenset(promised), frozenset(required), tuple(checks))


def promised_tables(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[SchemaObject, Table | None]]:
    """Yield each object of the contract with the table it means, if that exists."""
    names: dict[str, Table] = {}
    for table in catalog.tables:
        for name in _spellings(table.name):
            names.setdefault(name, table)
    for table in catalog.tables:
        if table.name.schema_name.lower() == "main":
            names[table.name.name.lower()] = table
    for promise in contract.schema_ or ():
        candidates = (promise.physicalName, promise.name)
        yield (
            promise,
            next((names[c.lower()] for c in candidates if c and c.lower() in names), None),
        )


def promised_views(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[SchemaObject, View]]:
    """Yield each object of the contract that means a view, with that view."""
    names = {name: view for view in catalog.views for name in _spellings(view.name)}
    for promise, table in promised_tables(contract, catalog):
        called = [c.lower() for c in (promise.physicalName, promise.name) if c]
        view = next((names[c] for c in called if c in names), None)
        if table is None and view is not None:
            yield promise, view


def _spellings(table: TableName) -> tuple[str, ...]:
    dotted = f"{table.schema_name}.{table.name}"
    return tuple(s.lower() for s in (table.sql, dotted, quoted(table.name), table.name))


def table_name(promise: SchemaObject) -> str:
    """Return the name of the table that an object means, in lower case and without quotes."""
    name = (promise.physicalName or promise.name or "").lower().replace('"', "")
    return name.removeprefix("main.")


def column_name(prop: SchemaProperty) -> str:
    """Return the name of the column that a property means."""
    return prop.physicalName or prop.name or ""


def columns_by_name(table: Table) -> dict[str, Column]:
    """Return a table's columns by their names in lower case, as DuckDB compares them."""
    return {column.name.lower(): column for column in table.columns}


def is_required(prop: SchemaProperty) -> bool:
    """Return whether a property's values may not be missing."""
    return bool(prop.required or prop.primaryKey) or any(
        (q.metric or q.rule) in ("nullValues", "missingValues") and _none_allowed(q)
        for q in prop.quality or ()
    )


def _none_allowed(rule: Any) -> bool:
    return bool(rule.mustBe == 0 or rule.mustBeLessOrEqualTo == 0 or rule.mustBeLessThan == 1)


def _checks(prop: SchemaProperty, column: str, stored: str) -> Iterator[str]:
    """Yield rules as SQL conditions, as far as the present type of the column can bear them."""
    options = prop.logicalTypeOptions or {}
    name = quoted(column)
    for option, sign in BOUNDS:
        bound = _bound(options.get(option), stored)
        if bound is not None:
            yield f"{name} {sign} {bound}"
    if is_text(stored):
        for option, sign in LENGTHS:
            length = options.get(option)
            if isinstance(length, int) and not isinstance(length, bool):
                yield f"length({name}) {sign} {length}"
        for pattern in _patterns(prop):
            yield f"regexp_matches({name}, {literal(pattern)})"
    for values in valid_values(prop):
        listed = [_member(v, stored) for v in values]
        known = [text for text in listed if text is not None]
        if known and len(known) == len(listed):
            yield f"{name} IN ({', '.join(known)})"


def _patterns(prop: SchemaProperty) -> Iterator[str]:
    found = [(prop.logicalTypeOptions or {}).get("pattern")]
    found += [(q.arguments or {}).get("pattern") for q in _invalid_value_rules(prop)]
    for pattern in found:
        if isinstance(pattern, str) and "\0" not in pattern and not BEYOND_RE2.search(pattern):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError):
                continue
            yield pattern


def valid_values(prop: SchemaProperty) -> Iterator[list[Any]]:
    """Yield each list of allowed values that a property states, in whichever of ODCS's ways."""
    lists: list[Any] = [
        [e.value for e in prop.enum or ()],
        (prop.logicalTypeOptions or {}).get("enum"),
        *((q.arguments or {}).get("validValues") for q in _invalid_value_rules(prop)),
    ]
    for values in lists:
        if isinstance(values, list) and values:
            yield values


def _invalid_value_rules(prop: SchemaProperty) -> list[Any]:
    return [
        q
        for q in prop.quality or ()
        if (q.metric or q.rule) == "invalidValues" and _none_allowed(q)
    ]


def _bound(value: Any, stored: str) -> str | None:
    honoured = carries(stored)
    if "number" in honoured:
        return None if isinstance(value, str) else literal(value)
    if not isinstance(value, str) or not honoured & {"date", "timestamp"}:
        return None
    try:
        if "date" in honoured:
            return f"DATE '{date.fromisoformat(value).isoformat()}'"
        return f"TIMESTAMP '{datetime.fromisoformat(value).replace(tzinfo=None).isoformat(' ')}'"
    except ValueError:
        return None


def _member(value: Any, stored: str) -> str | None:
    """Return a literal where it can be compared with the stored type without a cast."""
    honoured = carries(stored)
    if isinstance(value, bool):
        return literal(value) if "boolean" in honoured else None
    if isinstance(value, str):
        return literal(value) if "string" in honoured else None
    return literal(value) if "number" in honoured else None


def literal(value: Any) -> str | None:
    """Return a value as a SQL literal, or None where it has none."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, str) and "\0" not in value:
        return "'" + value.replace("'", "''") + "'"
    return None
