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
    "triggers": f"SELECT schema_name, table_name, trigger_name FROM duckdb_triggers() WHERE {OURS}",
    "views": f"SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND {OURS}",
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
            apart = set(old.execute(sql).fetchall()) ^ set(new.execute(sql).fetchall())
            if apart:
                return f"other {what}: {min(map(str, apart))}"
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
