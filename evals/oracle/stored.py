"""What a product stores besides its tables: its views and macros are read by whoever knows them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from tools.messages import quoted

_OWN = "NOT internal AND schema_name <> 'pillion' ORDER BY ALL"
_VIEWS = f"SELECT schema_name, view_name FROM duckdb_views() WHERE NOT temporary AND {_OWN}"
_MACROS = (
    "SELECT schema_name, function_name, function_type, len(parameters) FROM duckdb_functions()"
    f" WHERE function_type IN ('macro', 'table_macro') AND {_OWN}"
)


def views(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return how each view that works is read, by its name."""
    found = con.execute(_VIEWS).fetchall()
    texts = {view: f"SELECT * FROM {quoted(schema)}.{quoted(view)}" for schema, view in found}
    return {view: sql for view, sql in texts.items() if not _failure(con, sql)}


def broken_macros(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the macros that can be called in the first database only, with the reason."""
    works = [(name, call) for name, call in _calls(old) if not _failure(old, call)]
    return [f"{name} ({why})" for name, call in works if (why := _failure(new, call))]


def _calls(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield each macro with a call that gives it missing values: it shows what it reads."""
    for schema, name, kind, count in con.execute(_MACROS).fetchall():
        start = "SELECT * FROM" if kind == "table_macro" else "SELECT"
        nothing = ", ".join(["NULL"] * count)
        yield name, f"{start} {quoted(schema)}.{quoted(name)}({nothing})"


def _failure(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    try:
        con.execute(f"EXPLAIN {sql}").fetchall()
    except duckdb.Error as exc:
        return str(exc).splitlines()[0]
    return ""
