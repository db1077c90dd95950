"""Whether a syntax tree says what the engine reads in the text that it was made of.

Texts are answered by others that are written from their trees, and sqlglot's differ in places: one
loses a flag or the table before a column, takes a function for another, or binds more tightly.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.product.engine_sql import Node, aliases, nodes, read_alone
from tools.product.errors import Forbidden, ParseFailed
from tools.product.fingerprint import parse
from tools.product.identifiers import folded
from tools.product.logical_types import ALIASES
from tools.product.pivot_text import as_subquery

_BOUND = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ,
    exp.NullSafeNEQ, exp.Is, exp.Between, exp.In, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul,
    exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.DPipe, exp.BitwiseAnd, exp.BitwiseOr,
    exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Neg, exp.BitwiseNot,
)  # fmt: skip
"""What ends where the tree says only if the engine says so, too."""
_UNBRACKETED = (exp.Paren, exp.Escape, exp.Pivot)
_UNSAID = frozenset(
    "query_location query_location_length is_operator function_name is_implicit".split()
)
_DEFAULTS = {"ASCENDING": "ORDER_DEFAULT", "NULLS LAST": "ORDER_DEFAULT"}
_ALSO = {"datediff": "date_diff", "datesub": "date_sub", "datepart": "date_part",
         "datetrunc": "date_trunc", "date_add": "+"}  # fmt: skip
_UNITS = {"dow": "dayofweek", "weekday": "dayofweek", "doy": "dayofyear"}
_OF_UNITS = frozenset({"date_trunc", "date_part", "date_diff", "date_sub"})
_ZERO = {"class": "CONSTANT", "type": "VALUE_CONSTANT", "literal": {"kind": "INTEGER", "text": "0"}}
_COMMA = {"class": "CONSTANT", "type": "VALUE_CONSTANT", "literal": {"kind": "STRING", "text": ","}}
_MADE_BOOLEAN = frozenset({"bool_and", "bool_or"})
"""What sqlglot casts for; the engine takes nothing else for them either."""
_ARROWS = frozenset({"->", "->>"})
_KEY = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_INTERVAL = re.compile(r"(-?[0-9]{1,9}) ([a-z]+?)s?", re.IGNORECASE)


@lru_cache(maxsize=4096)
def faithful(sql: str) -> bool:
    """Whether the tree of a SELECT, each operator in brackets, is to the engine what `sql` is."""
    try:
        text = _bracketed(parse(sql))
        return bool(_meaning(read_alone(as_subquery(sql) or sql)) == _meaning(read_alone(text)))
    except (Forbidden, ParseFailed, SqlglotError, RecursionError):
        return False


def _bracketed(tree: exp.Expr) -> str:
    for node in reversed(list(tree.find_all(*_BOUND, bfs=False))):
        if not isinstance(node.parent, _UNBRACKETED):
            brackets = exp.Paren()
            node.replace(brackets)
            brackets.set("this", node)
    return str(tree.sql(dialect="duckdb", comments=False))


def _meaning(value: Any) -> Any:
    """Return what an engine's tree says, without how it was spelt."""
    if isinstance(value, list):
        return [_meaning(v) for v in value]
    if not isinstance(value, dict):
        return _DEFAULTS.get(value, value) if isinstance(value, str) else value
    node = {k: _meaning(v) for k, v in value.items() if k not in _UNSAID}
    name = node.pop("alias", None)
    return {"alias": name, "named": _said(node)} if name else _said(node)


def _said(node: Node) -> Node:
    match node.get("type"):
        case "FUNCTION":
            return _call(node)
        case "COLUMN_REF":
            node["column_names"] = [folded(n) for n in node["column_names"]]
        case "TYPE":
            return _type(node)
        case "OPERATOR_CAST":
            return _interval_text(node) or node
        case "OPERATOR_IS_NOT_NULL":
            return _not(node | {"type": "OPERATOR_IS_NULL"})
        case "COMPARE_DISTINCT_FROM":
            return _not(node | {"type": "COMPARE_NOT_DISTINCT_FROM"})
        case "LAMBDA" if node.get("syntax_type") == "SINGLE_ARROW":
            node["expr"] = _path(node["expr"])
        case "JOIN" if _constant(node.get("condition")) == "true":
            node = {k: v for k, v in node.items() if k != "condition"} | {"ref_type": "CROSS"}
    return node


def _not(node: Node) -> Node:
    return {"class": "OPERATOR", "type": "OPERATOR_NOT", "children": [node]}


def _constant(node: Node | None) -> str | None:
    found = (node or {}).get("literal", {}).get("text")
    return found if isinstance(found, str) else None


def _type(node: Node) -> Node:
    name = folded(str(node["type_name"]))
    name = ALIASES.get(name.upper(), name.upper() if name.isascii() else name)
    size = [{"text": n} for n in ("18", "3")] if name == "DECIMAL" else []
    children = [{"text": _constant(c)} if _constant(c) else c for c in node.get("children", ())]
    # How long a text is declared means nothing.
    kept = [] if name == "VARCHAR" else children or size
    place = node.get("qualified_name", {}).get("path", ())[:-1]
    return {"type": "TYPE", "type_name": name, "place": place, "children": kept}


def _call(node: Node) -> Node:
    *place, called = (folded(p) for p in node["qualified_name"]["path"])
    name = _ALSO.get(called, aliases().get(called, called))
    if name in ("!~~", "!~~*"):
        like = {"qualified_name": {"path": [*place, name[1:]]}}
        return _not(_call(node | like))
    arguments = [a["expression"] for a in node.get("arguments", ())]
    if name == "if" and len(arguments) == 3:
        check = {"when_expr": arguments[0], "then_expr": arguments[1]}
        return {"class": "CASE", "type": "CASE_EXPR", "case_checks": [check],
                "else_expr": arguments[2]}  # fmt: skip
    if name in _OF_UNITS and (unit := _constant(arguments[0] if arguments else None)):
        unit = unit.lower()
        arguments[0]["literal"]["text"] = _UNITS.get(unit, unit)
    if name in _ARROWS and len(arguments) == 2:
        node["arguments"][1]["expression"] = _path(arguments[1])
    if name == "+" and len(arguments) == 1:
        alone: Node = arguments[0]
        return alone
    if name in _MADE_BOOLEAN and len(arguments) == 1:
        node["arguments"] = [{"expression": _uncast(arguments[0])}]
    if name == "string_agg" and len(arguments) == 1:
        node["arguments"] = [*node["arguments"], {"expression": _COMMA}]
    if name == "range" and len(arguments) == 1:
        node["arguments"] = [{"expression": _ZERO}, *node["arguments"]]
    return _interval_call(name, node) or node | {"qualified_name": [*place, name]}


def _uncast(node: Node) -> Node:
    """Return what is cast to BOOLEAN, if anything is."""
    cast = node.get("type") == "OPERATOR_CAST" and not node["try_cast"]
    child: Node = node["child"] if cast and node["type_expr"]["type_name"] == "BOOLEAN" else node
    return child


def _path(node: Node) -> Node:
    """Return a key of a JSON value as the path that it is."""
    key = _constant(node)
    if key is not None and _KEY.fullmatch(key):
        return node | {"literal": {"kind": "STRING", "text": f"$.{key}"}}
    return node


def _interval_text(cast: Node) -> Node | None:
    """Return what `'3 days'` is as an interval; `3 DAY` is the same."""
    if cast["type_expr"].get("type_name") != "INTERVAL":
        return None
    found = _INTERVAL.fullmatch(_constant(cast.get("child")) or "")
    return {"interval": found[1], "unit": found[2].lower()} if found else None


def _interval_call(name: str, call: Node) -> Node | None:
    """Return what `to_days` of a whole number is; the engine makes that of `3 DAY`."""
    if not name.startswith("to_"):
        return None
    read = [n for n in nodes(call) if n is not call]
    texts = [t for n in read if (t := _constant(n)) is not None]
    bare = all(
        n.get("class") in (None, "CAST", "CONSTANT") or n.get("qualified_name") == ["trunc"]
        for n in read
    )
    if not bare or len(texts) != 1 or not texts[0].isdecimal():
        return None
    return {"interval": texts[0], "unit": name.removeprefix("to_").removesuffix("s")}
