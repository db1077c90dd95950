"""SQL as DuckDB's own parser reads it: no second opinion on quotes, comments and unicode."""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import duckdb
from sqlglot import exp

from tools.product.errors import Forbidden, ParseFailed
from tools.product.fingerprint import parse

_PARSER = duckdb.connect(
    ":memory:",
    config={"enable_external_access": "false", "lock_configuration": "true", "threads": "1"},
)
# An engine that outlives the interpreter is reported as a leak on standard error.
atexit.register(lambda: globals().pop("_PARSER").close())
_READ = "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true)"
_WRITE = "SELECT json_deserialize_sql(?)"
_SEVERAL = ("STAR", "SUBQUERY")
"""Of a subquery the name is not its text."""
Node = dict[str, Any]


def read_select(sql: str) -> Node:
    """Return the tree of the one SELECT in `sql`; raises `ParseFailed` or `Forbidden`."""
    read = _serialized(sql)
    if read.get("error_type") == "not implemented":
        read = _serialized(_pinned(sql))
    return _one(read)


def read_alone(sql: str) -> Node:
    """Return the tree of the one SELECT in `sql` as `read_select` does, but for no such PIVOT.

    What its values are pinned with is sqlglot's reading of the text.
    """
    return _one(_serialized(sql))


def _one(read: Node) -> Node:
    if read["error"]:
        raise ParseFailed(f"Not readable as DuckDB SQL: {read['error_message']}.")
    statements: list[Node] = read["statements"]
    if len(statements) != 1:
        raise ParseFailed(f"Expected one statement and found {len(statements)}.")
    return statements[0]


def nodes(tree: Node) -> Iterator[Node]:
    """Yield every node of a tree; in a loop, because hostile trees are deep."""
    left: list[Any] = [tree]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def output_names(sql: str) -> tuple[str | None, ...]:
    """Return what the engine calls each item of a SELECT list; None for one that is several.

    Raises `ParseFailed` or `Forbidden`.
    """
    node = read_select(sql)["node"]
    return tuple(_output_name(item) for item in node.get("select_list", ()))


def _output_name(item: Node) -> str | None:
    if item.get("alias"):
        return str(item["alias"])
    if any(n.get("class") in _SEVERAL for n in nodes(item)):
        return None
    if item.get("class") == "COLUMN_REF":
        return str(item["column_names"][-1])
    alone = read_select("SELECT 1")
    alone["node"]["select_list"] = [item]
    return _written(alone)


@lru_cache(maxsize=1024)
def with_own_functions(expression: str) -> str:
    """Return an expression that calls the engine's functions whatever macro is called like one.

    So it does for operators, which are functions, too, but for brackets and dots (`x[1]`, `s.a`).
    Raises `ParseFailed` or `Forbidden`.
    """
    tree = read_select(f"SELECT {expression}")
    for node in nodes(tree):
        path = node.get("qualified_name", {}).get("path", ())
        if node.get("class") == "FUNCTION" and len(path) == 1:
            node["qualified_name"]["path"] = ["system", "main", *path]
            node["is_operator"] = False
    return _written(tree)


_OF_TODAY = frozenset({"age", "current_localtime", "current_localtimestamp", "version"})
"""They tell of the moment (`age` of one date) or the program, whatever the engine says of them."""
_STEADY_MACROS = frozenset(
    {"date_add", "days_in_month", "fdiv", "fmod", "if", "nullif", "split_part"}
)
"""Others read the clock (`ago`), the session or the catalog, or wait (`pg_sleep`)."""


@cache
def steady() -> frozenset[str]:
    """Return the engine's functions that give one value for a row, and the same each time."""
    with _PARSER.cursor() as con:
        found = con.execute(
            "SELECT function_name FROM duckdb_functions()"
            " WHERE function_type = 'scalar' AND stability = 'CONSISTENT'"
        ).fetchall()
    return frozenset(str(name).lower() for (name,) in found) - _OF_TODAY | _STEADY_MACROS


@cache
def aliases() -> dict[str, str]:
    """Return the engine's functions that are others by another name, each with the other's."""
    with _PARSER.cursor() as con:
        found = con.execute(
            "SELECT DISTINCT function_name, alias_of FROM duckdb_functions()"
            " WHERE alias_of IS NOT NULL AND alias_of <> function_name"
        ).fetchall()
    return {str(name).lower(): str(other).lower() for name, other in found}


def _written(tree: Node) -> str:
    """Return the text of what a tree selects."""
    written = json.dumps({"error": False, "statements": [tree]})
    try:
        with _PARSER.cursor() as con:
            row = con.execute(_WRITE, [written]).fetchone()
    except duckdb.Error as exc:
        raise ParseFailed(f"Not readable as DuckDB SQL: {str(exc).splitlines()[0]}") from exc
    return str(row[0]).removeprefix("SELECT ") if row else ""


def _serialized(sql: str) -> Node:
    try:
        with _PARSER.cursor() as con:
            row = con.execute(_READ, [sql]).fetchone()
        return dict(json.loads(row[0])) if row else {}
    except (duckdb.Error, ValueError, RecursionError) as exc:
        raise ParseFailed(f"Not readable as DuckDB SQL: {str(exc).splitlines()[0]}") from exc


def _pinned(sql: str) -> str:
    """Return a PIVOT that looks its values up with the values written out, else refuse.

    DuckDB makes several statements of such a PIVOT and shows the tree of none.
    """
    kind = _kind(sql)
    if kind != "MULTI":
        raise Forbidden(
            f"Only one SELECT may run here, not {kind}.", hint="Changes go through a proposal."
        )
    tree = parse(sql)
    for pivot in tree.find_all(exp.Pivot):
        values = [_listed(e) for e in pivot.expressions]
        pivot.set("expressions", values)
    return str(tree.sql(dialect="duckdb", comments=False))


def _listed(column: exp.Expr) -> exp.Expr:
    if isinstance(column, exp.In):
        return column
    return exp.In(this=column, expressions=[exp.Literal.string("a value")])


def _kind(sql: str) -> str:
    try:
        with _PARSER.cursor() as con:
            found = [s.type.name.replace("_", " ") for s in con.extract_statements(sql)]
    except ValueError:
        # The binding does not know every kind the parser does.
        return "this"
    except duckdb.Error as exc:
        raise ParseFailed(f"Not readable as DuckDB SQL: {str(exc).splitlines()[0]}") from exc
    return " and ".join(found)
