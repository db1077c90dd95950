"""Whether a product from which a change was taken back is what it would be without the change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from evals.oracle.rules import OURS, rules
from tools.messages import quoted

_SHAPES = {
    "columns": "SELECT schema_name, table_name, column_index, column_name, data_type, is_nullable,"
    f" column_default, comment FROM duckdb_columns() WHERE NOT internal AND {OURS}",
    "indexes": "SELECT schema_name, table_name, index_name, is_unique, expressions"
    f" FROM duckdb_indexes() WHERE {OURS}",
    "triggers": "SELECT schema_name, table_name, trigger_name, sql FROM duckdb_triggers()"
    f" WHERE {OURS}",
    "views": "SELECT schema_name, view_name, sql, comment FROM duckdb_views()"
    f" WHERE NOT internal AND {OURS}",
    "macros": "SELECT schema_name, function_name, parameters, macro_definition"
    f" FROM duckdb_functions() WHERE NOT internal AND {OURS}",
    "sequences": f"SELECT schema_name, sql, last_value FROM duckdb_sequences() WHERE {OURS}",
    "types": "SELECT schema_name, type_name, logical_type, labels FROM duckdb_types()"
    f" WHERE NOT internal AND {OURS}",
    "comments": "SELECT schema_name, table_name, comment FROM duckdb_tables()"
    f" WHERE NOT internal AND {OURS}",
}
_TABLES = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
    f" AND {OURS} ORDER BY ALL"
)


def difference(wanted: Path, undone: Path) -> str:
    """Say what is not as it should be, or nothing; order of the rows does not count."""
    with (
        duckdb.connect(str(wanted), read_only=True) as old,
        duckdb.connect(str(undone), read_only=True) as new,
    ):
        for what, sql in _SHAPES.items():
            had, has = ({str(row) for row in con.execute(sql).fetchall()} for con in (old, new))
            if had != has:
                return f"other {what}: {min(had ^ has)}"
        if rules(old) != rules(new):
            return f"other rules: {min((rules(old) - rules(new)) | (rules(new) - rules(old)))}"
        contents = _contents(old), _contents(new)
        return next((f"other rows in {t}" for t in contents[0] if _apart(contents, t)), "")


def _contents(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    """Return a digest of each table's rows, in whichever order they lie."""
    found = {}
    for schema, table in con.execute(_TABLES).fetchall():
        name = f"{quoted(schema)}.{quoted(table)}"
        digest = f'SELECT count(*), sum(hash("whole row")) FROM {name} AS "whole row"'
        found[f"{schema}.{table}"] = con.execute(digest).fetchall()
    return found


def _apart(contents: tuple[dict[str, list[Any]], ...], table: str) -> bool:
    return contents[0][table] != contents[1].get(table)
