"""DuckDB's type names and ODCS's logical types, compared."""

from __future__ import annotations

import re

ALIASES = {
    "INT1": "TINYINT",
    "INT2": "SMALLINT",
    "SHORT": "SMALLINT",
    "INT16": "SMALLINT",
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "INT32": "INTEGER",
    "SIGNED": "INTEGER",
    "INT8": "BIGINT",
    "INT64": "BIGINT",
    "LONG": "BIGINT",
    "OID": "BIGINT",
    "INT128": "HUGEINT",
    "FLOAT4": "FLOAT",
    "REAL": "FLOAT",
    "FLOAT8": "DOUBLE",
    "DOUBLE PRECISION": "DOUBLE",
    "NUMERIC": "DECIMAL",
    "DEC": "DECIMAL",
    "BOOL": "BOOLEAN",
    "LOGICAL": "BOOLEAN",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "CHAR": "VARCHAR",
    "BPCHAR": "VARCHAR",
    "NVARCHAR": "VARCHAR",
    "CHARACTER VARYING": "VARCHAR",
    "CHARACTER": "VARCHAR",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP_US": "TIMESTAMP",
    "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "TIMETZ": "TIME WITH TIME ZONE",
    "BYTEA": "BLOB",
    "BINARY": "BLOB",
    "VARBINARY": "BLOB",
    "GUID": "UUID",
    "BITSTRING": "BIT",
    "VARINT": "BIGNUM",
}
INTEGERS = frozenset(
    "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT"
    " BIGNUM".split()
)
TEXT = "VARCHAR"
_ZONED = ("WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMETZ")
_SHAPE = re.compile(r"([A-Z_0-9 ]+?) ?(?:\(([0-9, ]+)\))?( WITH(?:OUT)? TIME ZONE)?")


def normal_type(name: str) -> str:
    """Return DuckDB's own spelling of a type: `int4` is INTEGER, `varchar(20)` is VARCHAR."""
    text = " ".join(name.split())
    if text.endswith("]"):
        inner, _, size = text.rpartition("[")
        return f"{normal_type(inner)}[{size}"
    shape = _SHAPE.fullmatch(text.upper())
    if shape is None:
        return text
    head = ALIASES.get(shape[1] + (shape[3] or ""), shape[1] + (shape[3] or ""))
    if head == "DECIMAL":
        numbers = [n.strip() for n in (shape[2] or "18,3").split(",")]
        return f"DECIMAL({numbers[0]},{numbers[1] if len(numbers) > 1 else '0'})"
    return head


def is_text(name: str) -> bool:
    """Return whether a DuckDB type is plain text."""
    return normal_type(name) == TEXT


def zoned(name: str) -> bool:
    """Return whether a type holds instants, or times with an offset, itself or inside."""
    return any(word in name.upper() for word in _ZONED)


def carries(name: str) -> frozenset[str]:
    """Return the logical types that a column of a DuckDB type honours."""
    return frozenset(_logical_names(normal_type(name)))


def family(name: str) -> str:
    """Return the logical type (ODCS) that says most about a DuckDB type."""
    return _logical_names(normal_type(name))[0]


def _logical_names(name: str) -> tuple[str, ...]:
    if name in INTEGERS:
        return ("integer", "number")
    if name.startswith("DECIMAL("):
        return ("integer", "number") if name.endswith(",0)") else ("number",)
    if name.endswith("]"):
        return ("array",) if name.endswith("[]") else ("array", "vector")
    for start, names in _BY_START:
        if name.startswith(start):
            return names
    return ("string",)


_BY_START: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("FLOAT", ("number",)),
    ("DOUBLE", ("number",)),
    ("BOOLEAN", ("boolean",)),
    ("DATE", ("date",)),
    ("TIMESTAMP", ("timestamp",)),
    ("TIME", ("time",)),
    ("STRUCT", ("object",)),
    ("MAP", ("object", "map")),
    ("UNION", ("object",)),
    ("JSON", ("object", "array", "string")),
    ("VARIANT", ("object", "array", "string")),
)
LOGICAL_TYPES = (
    "string",
    "date",
    "timestamp",
    "time",
    "number",
    "integer",
    "object",
    "array",
    "boolean",
    "map",
    "vector",
)


def promises_kept(logical: str, name: str, api_version: str) -> bool:
    """Return whether a column of DuckDB type `name` honours a logical type of a contract.

    ODCS 3.0 had only `date` for all that is a point in time.
    """
    honoured = carries(name)
    if logical == "date" and api_version.startswith("v3.0"):
        return bool(honoured & {"date", "timestamp", "time"})
    return logical in honoured
