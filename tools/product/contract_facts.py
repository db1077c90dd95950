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
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.contract_objects import column_name, columns_by_name, promised_objects
from tools.product.contract_queries import readings
from tools.product.logical_types import carries, is_text
from tools.product.relationships import ends, named
from tools.product.stored_queries import View

BOUNDS = (
    ("minimum", ">="),
    ("maximum", "<="),
    ("exclusiveMinimum", ">"),
    ("exclusiveMaximum", "<"),
)
NONE_UNSAID = ("nullCheck", "validValues")
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
    for promise, meant in promised_objects(contract, catalog):
        for table in meant:
            for prop, column in _stored(promise, table):
                promised.add((table.name, column.name))
                # What is promised of one of several tables is asked of none of them.
                if is_required(prop) and len(meant) == 1:
                    required.add((table.name, column.name))
                for sql in _checks(prop, column.name, column.type) if len(meant) == 1 else ():
                    checks[table.name, column.name, sql] = None
    promised.update(_needed(contract, catalog))
    return ContractFacts(frozenset(promised), frozenset(required), tuple(checks))


def _needed(
    contract: OpenDataContractStandard, catalog: Catalog
) -> Iterator[tuple[TableName, str]]:
    """Yield the columns that rules given as SQL read, and those named beside tables."""
    for _, reading in readings(contract, catalog):
        yield from reading.columns
    for end in (*ends(contract, catalog), *named(contract, catalog)):
        column = end.relation.column(end.column) if isinstance(end.relation, Table) else None
        if column is not None:
            yield end.relation.name, column.name


def _stored(promise: SchemaObject, table: Table | View) -> Iterator[tuple[SchemaProperty, Column]]:
    """Yield the properties of an object that are columns of a table, with these."""
    columns = columns_by_name(table) if isinstance(table, Table) else {}
    for prop in promise.properties or ():
        column = columns.get(column_name(prop).lower())
        if column is not None:
            yield prop, column


def is_required(prop: SchemaProperty) -> bool:
    """Return whether a property's values may not be missing."""
    return bool(prop.required or prop.primaryKey) or any(
        (q.metric or q.rule) in ("nullValues", "missingValues", "nullCheck") and none_allowed(q)
        for q in prop.quality or ()
    )


def none_allowed(rule: DataQuality) -> bool:
    """Return whether a rule allows no row at all; some rules of ODCS 3.0 say that without a number.

    Less than one percent is not none.
    """
    if rule.rule in NONE_UNSAID and not _limited(rule):
        return True
    one = rule.mustBeLessThan == 1 and rule.unit != "percent"
    return str(rule.mustBe) in ("0", "0.0") or rule.mustBeLessOrEqualTo == 0 or one


def too_many_nulls(prop: SchemaProperty, nulls: int, rows: int) -> bool:
    """Return whether a rule of a property allows fewer NULLs than there would be."""
    for rule in prop.quality or ():
        found = 100 * nulls / rows if rule.unit == "percent" else nulls
        most, under = rule.mustBeLessOrEqualTo, rule.mustBeLessThan
        above = most is not None and found > most
        if (rule.metric or rule.rule) == "nullValues" and (
            above or (under is not None and found >= under)
        ):
            return True
    return False


def _limited(rule: DataQuality) -> bool:
    stated = rule.model_dump(exclude_none=True)
    return any(name.startswith("must") for name in stated)


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


def stated_patterns(prop: SchemaProperty) -> list[Any]:
    """Return the patterns that a property states, in either of ODCS's ways."""
    found = [(prop.logicalTypeOptions or {}).get("pattern")]
    return found + [(q.arguments or {}).get("pattern") for q in _invalid_value_rules(prop)]


def _patterns(prop: SchemaProperty) -> Iterator[str]:
    for pattern in stated_patterns(prop):
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


def _invalid_value_rules(prop: SchemaProperty) -> list[DataQuality]:
    return [
        q
        for q in prop.quality or ()
        if (q.metric or q.rule) in ("invalidValues", "validValues") and none_allowed(q)
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
