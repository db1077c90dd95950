"""Draft a contract from a database: its structure, and what its text columns really hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Server,
)

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.logical_types import family, is_text, normal_type

Probe = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]
API_VERSION = "v3.1.0"
KIND = "DataContract"
MARKERS = ("", "NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "-", "?", "\\N")
"""Texts that raw feeds write where a value is missing."""

# A shape admits only texts that the type gives back digit for digit: 007 is a code, not a number.
_TESTS = (
    (1, "regexp_full_match({v}, '0|-?[1-9][0-9]{{0,17}}')"),
    (
        2,
        "regexp_full_match({v}, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?')"
        " AND isfinite(TRY_CAST({v} AS DOUBLE))"
        " AND (length({v}) <= 16 OR CAST(TRY_CAST({v} AS DOUBLE) AS VARCHAR) = {v})",
    ),
    (
        4,
        "regexp_full_match({v}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
        " AND TRY_CAST({v} AS DATE) IS NOT NULL",
    ),
    (
        8,
        "regexp_full_match({v}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]([01][0-9]|2[0-3]):[0-9]{{2}}"
        "(:[0-9]{{2}}(\\.[0-9]{{1,6}})?)?Z?') AND TRY_CAST({v} AS TIMESTAMP) IS NOT NULL",
    ),
    (16, "{v} IN ('true', 'false')"),
)
_OTHER = 32
_MEANING = {1: "integer", 2: "number", 3: "number", 4: "date", 8: "timestamp", 16: "boolean"}


_A = {m: f"an {m}" if m == "integer" else f"a {m}" for m in _MEANING.values()}
INFERRED = {m: f"Text; every present value is {a}." for m, a in _A.items()}
"""What a drafted contract says of text columns by what their values are."""


def infer_contract(
    product: str, catalog: Catalog, probe: Probe, *, database: str = ""
) -> OpenDataContractStandard:
    """Return a draft that promises what the tables mean today; its owner edits it from there."""
    server = Server(
        server="local", type="duckdb", database=database or f"{product}.duckdb", schema="main"
    )
    objects = [_object(table, _meanings(table, probe)) for table in catalog.tables]
    return OpenDataContractStandard(
        version="1.0.0",
        kind=KIND,
        apiVersion=API_VERSION,
        id=f"urn:pillion:contract:{product}",
        name=product,
        status="draft",
        dataProduct=product,
        servers=[server],
        schema=objects,
    )


def _meanings(table: Table, probe: Probe) -> dict[str, str]:
    """Return the logical types that all present values of the text columns bear out."""
    texts = [c.name for c in table.columns if is_text(c.type)]
    if not texts or not table.rows:
        return {}
    rows = probe(meanings_sql(table.name, texts), [list(MARKERS)])
    return {texts[at]: _MEANING[kinds] for at, kinds in rows if kinds in _MEANING}


def meanings_sql(table: TableName, columns: Sequence[str]) -> str:
    """Return one aggregate query: a row (number of the column, union of its values' kinds).

    Its one parameter is the list of texts that mean "missing". The columns are unnested so that
    the tests are compiled once, not once a column: 5,000 columns take 0.4 s instead of 40.
    """
    cases = " ".join(f"WHEN {test.format(v='v')} THEN {bit}" for bit, test in _TESTS)
    values = ", ".join(map(quoted, columns))
    return (
        f"SELECT c, bit_or(CASE {cases} ELSE {_OTHER} END) FROM ("
        f"SELECT unnest([{values}]) AS v, unnest(range({len(columns)})) AS c FROM {table.sql})"
        " WHERE v IS NOT NULL AND NOT list_contains($1, v) GROUP BY c"
    )


def _object(table: Table, meanings: dict[str, str]) -> SchemaObject:
    keys = [c.columns for c in table.constraints if c.kind == "PRIMARY KEY"]
    uniques = {
        c.columns[0] for c in table.constraints if c.kind == "UNIQUE" and len(c.columns) == 1
    }
    key = keys[0] if keys else ()
    plain = table.name.schema_name == "main" and "." not in table.name.name
    return SchemaObject(
        name=str(table.name),
        physicalName=None if plain else table.name.sql,
        physicalType="table",
        logicalType="object",
        description=table.comment or None,
        properties=[
            _property(c, meanings.get(c.name), key, c.name in uniques) for c in table.columns
        ],
    )


def _property(
    column: Column, meaning: str | None, key: tuple[str, ...], unique: bool
) -> SchemaProperty:
    position = key.index(column.name) + 1 if column.name in key else None
    text = is_text(column.type) or column.type.upper().startswith("ENUM")
    return SchemaProperty(
        name=column.name,
        logicalType=meaning or family(column.type),
        # How text is stored is not promised: storing it as what it means must stay possible.
        physicalType=None if text else normal_type(column.type),
        required=True if position or not column.nullable else None,
        unique=True if unique else None,
        primaryKey=True if position else None,
        primaryKeyPosition=position,
        description=column.comment or (INFERRED[meaning] if meaning else None),
    )
