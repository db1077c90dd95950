"""Whether what the contract promises is still there, read from the ODCS document itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import yaml

from tools.messages import quoted

STORED = {
    "string": r"VARCHAR|UUID|ENUM|JSON",
    "integer": r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?",
    "number": r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL",
    "date": r"DATE",
    "timestamp": r"TIMESTAMP",
    "boolean": r"BOOLEAN",
}


_PART = re.compile(r'"(?:[^"]|"")+"|[^".]+')


class Promise(NamedTuple):
    """One promised property and what of it holds in a database."""

    path: str
    holds: bool


def broken(
    contract: Path, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection
) -> list[str]:
    """Return the promises that the first database keeps and the second doesn't."""
    document = yaml.safe_load(contract.read_text(encoding="utf-8"))
    kept = {p.path for p in _promises(document, before) if p.holds}
    return [p.path for p in _promises(document, after) if not p.holds and p.path in kept]


def newly_enforced(
    contract: Path, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection
) -> list[str]:
    """Return the required columns that take a missing value in the first database only."""
    document = yaml.safe_load(contract.read_text(encoding="utf-8"))
    found = []
    for table in document.get("schema") or ():
        name = table.get("physicalName") or table["name"]
        strict = [_strict(con, name) for con in (before, after)]
        for column in table.get("properties") or ():
            known = (column.get("physicalName") or column["name"]).lower()
            if column.get("required") and known in strict[1] - strict[0]:
                found.append(f"{name}.{known} is required")
    return found


def _strict(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    found = con.execute(
        "SELECT lower(column_name) FROM information_schema.columns WHERE is_nullable = 'NO'"
        " AND table_schema = ? AND table_name = ?",
        _found(con, table),
    ).fetchall()
    return {str(name) for (name,) in found}


def _found(con: duckdb.DuckDBPyConnection, promised: str) -> tuple[str, str]:
    """Return schema and name of the table that is meant, whatever stands in front of its name."""
    parts = [_plain(part) for part in _PART.findall(promised)] or [promised]
    stated = parts[-2] if len(parts) > 1 else None
    # A table may have a dot in its name, and what is no schema be the database.
    for schema, name in ((None, promised), (stated, parts[-1]), (None, parts[-1])):
        found = con.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_catalog = current_database() AND table_schema <> 'pillion'"
            " AND lower(table_name) = lower($name)"
            " AND ($schema IS NULL OR lower(table_schema) = lower($schema))"
            " ORDER BY table_schema <> 'main' LIMIT 1",
            {"name": name, "schema": schema},
        ).fetchone()
        if found is not None:
            return found
    return ("main", promised)


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _promises(document: Any, con: duckdb.DuckDBPyConnection) -> Iterator[Promise]:
    for table in document.get("schema") or ():
        name = table.get("physicalName") or table["name"]
        at = _found(con, name)
        types = _columns(con, at)
        yield Promise(name, bool(types))
        for column in table.get("properties") or ():
            yield from _about(con, (name, ".".join(map(quoted, at))), column, types)


def _about(
    con: duckdb.DuckDBPyConnection, table: tuple[str, str], promised: Any, types: dict[str, str]
) -> Iterator[Promise]:
    """Yield what is promised of a column of a table: as the contract calls it, and as SQL does."""
    name = promised.get("physicalName") or promised["name"]
    stored = types.get(name.lower())
    path = f"{table[0]}.{name}"
    yield Promise(path, stored is not None)
    wanted = STORED.get(promised.get("logicalType", ""))
    if wanted is not None:
        fits = stored is not None and re.match(rf"({wanted})\b", stored) is not None
        yield Promise(f"{path} is {promised['logicalType']}", fits)
    if promised.get("physicalType"):
        alike = stored is not None and stored.upper() == str(promised["physicalType"]).upper()
        yield Promise(f"{path} is stored as {promised['physicalType']}", alike)
    if promised.get("required"):
        full = stored is not None and not _missing(con, table[1], name)
        yield Promise(f"{path} is required", full)
    if promised.get("unique") or promised.get("primaryKey"):
        single = stored is not None and not _repeated(con, table[1], name)
        yield Promise(f"{path} is unique", single)


def _columns(con: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> dict[str, str]:
    found = con.execute(
        "SELECT lower(column_name), data_type FROM information_schema.columns"
        " WHERE table_schema = ? AND table_name = ?",
        table,
    )
    return dict(found.fetchall())


def _missing(con: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    sql = f"SELECT count(*) FROM {table} WHERE {quoted(column)} IS NULL"
    (row,) = con.execute(sql).fetchall()
    return int(row[0])


def _repeated(con: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    name = quoted(column)
    sql = f"SELECT count({name}) - count(DISTINCT {name}) FROM {table}"
    (row,) = con.execute(sql).fetchall()
    return int(row[0])
