"""The SQL inside a change: only pure expressions over the changed table may stand there.

Changes arrive from agents and from people's edits, and their parts are built into statements.
"""

from __future__ import annotations

from collections.abc import Iterable

from tools.messages import (
    AddCheck,
    Change,
    ChangeType,
    CreateSummary,
    RewriteQuery,
)
from tools.product.candidates.rules import RULES, apply_rule
from tools.product.catalog import Table
from tools.product.engine_sql import Node, nodes, read_select, steady
from tools.product.errors import Forbidden, ParseFailed, Refused
from tools.product.fingerprint import fingerprint_of
from tools.product.guard import check_node, check_read_only

PURE = frozenset({
    "CONSTANT", "COLUMN_REF", "FUNCTION", "OPERATOR", "COMPARISON", "CONJUNCTION", "CAST", "CASE",
    "BETWEEN", "COLLATE", "LAMBDA", "LAMBDA_REF", "TYPE",
})  # fmt: skip
_BARE = {"type", "cte_map", "select_list", "from_table", "aggregate_handling"}


def check_sql(change: Change, table: Table) -> None:
    """Raise `Refused` when a part of the change is more than it says."""
    try:
        _check(change, table)
    except (Forbidden, ParseFailed) as exc:
        raise Refused(f"This {change.kind} holds SQL that may not run: {exc.message}") from exc


def _check(change: Change, table: Table) -> None:
    every = [c.name for c in table.columns]
    match change:
        case ChangeType():
            check_type(change.to_type)
            check_expression(change.forward, [change.column])
            check_expression(change.backward, [change.column])
        case AddCheck():
            check_expression(change.expression, every)
        case CreateSummary():
            _check_summary(change, every)
        case RewriteQuery():
            _check_rewrite(change)


def check_expression(text: str, columns: Iterable[str]) -> None:
    """Raise unless `text` is one scalar expression over these columns and nothing else."""
    # In brackets and bare: neither a comment nor a bracket of its own may reach past its place.
    read_select(f"SELECT ({text})")
    tree = _only_item(f"SELECT {text}", text)
    known = {c.lower() for c in columns}
    for node in nodes(tree):
        if node.get("class") == "LAMBDA":
            known.update(n.lower() for n in _names(node.get("lhs", {})))
    for node in nodes(tree):
        _check_pure(node, text)
        if node.get("class") == "COLUMN_REF" and node["column_names"][0].lower() not in known:
            raise Forbidden(f"{text} reads {'.'.join(node['column_names'])}.")
        if node.get("class") == "FUNCTION" and not _steady(node):
            raise Forbidden(
                f"{text} calls {node['function_name']}: only the engine's own functions of one row"
                " may be called that give the same each time."
            )


def _steady(call: Node) -> bool:
    """Whether a call is of a function of the engine that gives the same each time."""
    path = call.get("qualified_name", {}).get("path", ())
    return len(path) <= 1 and str(call["function_name"]).lower() in steady()


def check_type(text: str) -> None:
    """Raise unless `text` is the name of a type and nothing else."""
    read_select(f"SELECT CAST(NULL AS {text}\n)")
    item = _only_item(f"SELECT CAST(NULL AS {text})", text)
    if item.get("class") != "CAST" or item.get("child", {}).get("class") != "CONSTANT":
        raise Forbidden(f"{text} is not a type.")
    for node in nodes(item):
        if node.get("class", "TYPE") not in ("CAST", "TYPE", "CONSTANT"):
            raise Forbidden(f"{text} is not a type.")


def _only_item(sql: str, text: str) -> Node:
    """Return the tree of the one expression a bare SELECT holds."""
    tree: Node = read_select(sql)["node"]
    items: list[Node] = tree.get("select_list", [])
    bare = (
        tree["type"] == "SELECT_NODE"
        and set(tree) <= _BARE
        and not tree.get("cte_map")
        and tree["from_table"]["type"] == "EMPTY"
        and tree.get("aggregate_handling", "STANDARD_HANDLING") == "STANDARD_HANDLING"
    )
    if not bare or len(items) != 1 or items[0].get("alias"):
        raise Forbidden(f"{text} is more than one expression.")
    return items[0]


def _check_pure(node: Node, text: str) -> None:
    kind = node.get("class")
    if kind is not None and kind not in PURE:
        raise Forbidden(f"{text} holds a {str(kind).lower()}, not only an expression over columns.")
    check_node(node)


def _names(lambda_parameters: Node) -> Iterable[str]:
    for node in nodes(lambda_parameters):
        yield from node.get("column_names", ())


def _check_summary(change: CreateSummary, columns: list[str]) -> None:
    if change.summary.schema_name.lower() != change.table.schema_name.lower():
        raise Forbidden(f"{change.summary} is not in the schema of {change.table}.")
    for dimension in change.dimensions:
        check_expression(dimension.expression, columns)
    for aggregate in change.aggregates:
        if aggregate.argument:
            check_expression(aggregate.argument, columns)
    for before, after in change.rewrites:
        check_read_only(after)
        fingerprint_of(check_read_only(before))


def _check_rewrite(change: RewriteQuery) -> None:
    check_read_only(change.original)
    check_read_only(change.rewritten)
    if change.rule not in RULES:
        raise Forbidden(f"There is no rule {change.rule}.")
    if apply_rule(change.rule, change.original) != change.rewritten:
        raise Forbidden(f"The rule {change.rule} makes another text of the query.")
