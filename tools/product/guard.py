"""The guard: lets exactly one read-only statement on the product's own tables through.

Whatever an agent, an IDE or a consumer sends passes here. What is judged is the tree DuckDB's
own parser makes, and a kind of node or a table function that is not known is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tools.product.engine_sql import Node, nodes, read_select
from tools.product.errors import Forbidden, ParseFailed

MAX_TEXT = 100_000
MAX_PARTS = 100
"""Most parts of a name: the engine binds long ones for minutes, and nothing stops it."""
NODES = frozenset({
    "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE",
    "BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT",
    "SHOW_REF", "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER",
    "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
})  # fmt: skip
TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree",
    "generate_subscripts", "histogram", "histogram_values", "summary", "test_all_types",
    "pg_timezone_names", "icu_calendar_names", "duckdb_tables", "duckdb_columns", "duckdb_views",
    "duckdb_indexes", "duckdb_constraints", "duckdb_schemas", "duckdb_types", "duckdb_keywords",
    "duckdb_functions", "duckdb_triggers", "duckdb_sequences",
})  # fmt: skip
FORBIDDEN_FUNCTIONS = frozenset({
    # write, or change the instance
    "nextval", "currval", "setval", "setseed", "write_log", "add_parquet_key", "load_extension",
    # read what is not the product's
    "getenv", "current_setting", "set_config", "getvariable", "which_secret",
    "pg_conf_load_time", "inet_server_addr", "inet_server_port", "inet_client_addr",
    "inet_client_port", "current_query", "current_connection_id", "current_transaction_id",
    "current_query_id", "txid_current",
    # run SQL that was not read here
    "query", "query_table", "json_execute_serialized_sql", "json_serialize_plan",
    "from_substrait", "get_substrait",
    # hold a thread
    "sleep", "sleep_ms", "pg_sleep",
})  # fmt: skip
OTHER_SCHEMAS = frozenset({"pg_catalog", "system", "temp"})
SYSTEM_VIEWS = frozenset({
    "duckdb_databases", "duckdb_logs", "duckdb_settings", "duckdb_secrets",
    "pragma_database_list", "sqlite_temp_master", "sqlite_temp_schema", "pg_settings",
    "pg_prepared_statements", "pg_database", "pg_tablespace",
})  # fmt: skip
SHOWN = frozenset({"tables", "__show_tables_expanded"})
_FILE = re.compile(
    r"://|\.(csv|tsv|txt|parquet|json|jsonl|ndjson|db|duckdb|sqlite|xlsx|avro|arrow|orc)"
    r"(\.(gz|zst|bz2|xz))?(\?.*)?$",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=4096)
def check_read_only(sql: str) -> str:
    """Return the one statement in `sql`; raises `Forbidden` or `ParseFailed` saying why not."""
    if len(sql) > MAX_TEXT:
        raise Forbidden(f"The statement is longer than {MAX_TEXT} characters.")
    if "\x00" in sql:
        raise Forbidden("The statement holds a NUL character.")
    for node in nodes(read_select(sql)):
        check_node(node)
    return sql.strip().rstrip(";").rstrip()


def tells_structure(sql: str) -> bool:
    """Whether one statement tells how something is made: DESCRIBE, SUMMARIZE, SHOW.

    Raises `ParseFailed`.
    """
    return any(node.get("type") == "SHOW_REF" for node in nodes(read_select(sql)))


def check_node(node: Node) -> None:
    """Raise unless a node of DuckDB's tree only reads the product's own tables."""
    if node.get("class") == "PARAMETER":
        raise ParseFailed("The statement has a placeholder without a value.")
    if len(node.get("column_names", ())) > MAX_PARTS:
        raise Forbidden(f"A name has more than {MAX_PARTS} parts.")
    if "function_name" in node:
        _check_function(str(node["function_name"]))
    kind = node.get("type")
    if "class" in node or not isinstance(kind, str) or kind.endswith("_TYPE_INFO"):
        return
    if kind not in NODES:
        raise Forbidden(f"{kind.replace('_QUERY_NODE', '')} is not allowed here.")
    if kind == "BASE_TABLE":
        _check_table(node)
    elif kind == "TABLE_FUNCTION":
        _check_table_function(node)
    elif kind == "SHOW_REF":
        _check_show(node)


def _check_table(node: Node) -> None:
    name = str(node.get("table_name", ""))
    if _FILE.search(name):
        raise Forbidden("A file cannot be read as a table here.")
    _check_qualifiers(node)
    if name.lower() in SYSTEM_VIEWS:
        raise Forbidden(f"{name} is not part of the product.")


def _check_table_function(node: Node) -> None:
    function = node.get("function", {})
    name = str(function.get("function_name", function.get("type", "")))
    if name.lower() not in TABLE_FUNCTIONS:
        raise Forbidden(f"The table function {name} is not allowed here.")


def _check_show(node: Node) -> None:
    _check_qualifiers(node)
    name = str(node.get("table_name", "")).strip('"')
    if node.get("show_type") == "SHOW_SPECIAL" and name.lower() not in SHOWN:
        raise Forbidden(f"SHOW {name} is not allowed here.")


def _check_qualifiers(node: Node) -> None:
    path = node.get("qualified_name", {}).get("path", ())
    parts = [node.get("catalog_name"), node.get("schema_name"), *path[:-1]]
    for part in {str(p).lower() for p in parts if p}:
        if part == "pillion":
            raise Forbidden("The schema pillion is Pillion's own.")
        if part in OTHER_SCHEMAS:
            raise Forbidden(f"The schema {part} is not part of the product.")


def _check_function(name: str) -> None:
    if name.lower() in FORBIDDEN_FUNCTIONS:
        raise Forbidden(f"The function {name} is not allowed here.")


def is_readable(sql: str) -> str | None:
    """Return why a statement may not run, or None when it may."""
    try:
        check_read_only(sql)
    except (Forbidden, ParseFailed) as exc:
        return str(exc)
    return None
