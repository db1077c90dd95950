"""The roles a column plays in one query: filter, join, group, order, and how it is compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from tools.product.workload import Role

_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Between: "between", exp.In: "in", exp.Like: "like", exp.ILike: "like", exp.Is: "is null",
}  # fmt: skip
ALONE = "= alone"
"""An equality as DuckDB looks one up in an index: with no other condition on the table."""
_TYPE_NAMES = {"INT": "INTEGER", "TEXT": "VARCHAR"}


@dataclass
class Use:
    """What is gathered about one column."""

    roles: set[Role] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    casts: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    strict: bool = False
    """Whether a cast fails on a value that doesn't fit."""

    @property
    def guarded(self) -> bool:
        """Whether every cast is ready for values that don't fit."""
        return bool(self.casts) and not self.strict


def record(use: Use, column: exp.Column) -> None:
    """Add what one mention of a column tells."""
    role = _role(column)
    use.roles.add(role)
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    if isinstance(parent, exp.Cast | exp.TryCast):
        written = parent.to.sql(dialect="duckdb").upper()
        name = _TYPE_NAMES.get(written, written)
        use.casts.add(name)
        use.strict |= name != "VARCHAR" and not isinstance(parent, exp.TryCast)
    elif isinstance(parent, exp.Func) and not isinstance(parent, exp.AggFunc | exp.Connector):
        use.functions.add(parent.sql_name().lower())
    operator = _operator(column) if role == "filter" else None
    if operator:
        use.operators.add(operator)
    if operator == "=" and _alone(column):
        use.operators.add(ALONE)


def _alone(column: exp.Column) -> bool:
    """Whether no other condition on its table stands beside a column's, with AND, OR or NOT."""
    node: exp.Expr | None = column.find_ancestor(exp.EQ)
    while node is not None and isinstance(node.parent, exp.Paren | exp.And):
        beside = node.parent
        sides = (beside.this, beside.args.get("expression"))
        if any(_filters(s, column.table) for s in sides if s is not None and s is not node):
            return False
        node = beside
    return node is not None and isinstance(node.parent, exp.Where | exp.Having | exp.Join)


def _filters(condition: exp.Expr, table: str) -> bool:
    """Whether a condition filters a table, called so in the query; a join of it does not."""
    if isinstance(condition, exp.And | exp.Paren):
        return any(_filters(part, table) for part in condition.iter_expressions())
    columns = list(condition.find_all(exp.Column))
    if isinstance(condition, exp.EQ) and any(_joins(condition, c) for c in columns):
        return False
    return any(c.table in ("", table) for c in columns)


def _operator(column: exp.Column) -> str | None:
    """Return the comparison a column takes part in, straight or through a cast."""
    node: exp.Expr | None = column.parent
    while isinstance(node, exp.Paren | exp.Cast | exp.TryCast):
        node = node.parent
    if node is None or not isinstance(node, exp.Predicate):
        return None
    return _OPERATORS.get(type(node), "other")


def _role(column: exp.Column) -> Role:
    node: exp.Expr | None = column.parent
    aggregated = False
    while node is not None:
        match node:
            case exp.EQ() if _joins(node, column):
                return "join"
            case exp.Where() | exp.Having() | exp.Qualify():
                return "filter"
            case exp.Join():
                return "join"
            case exp.Group():
                return "group"
            case exp.Order():
                return "order"
            case exp.AggFunc():
                aggregated = True
            case exp.Select():
                return "aggregate" if aggregated else "select"
        node = node.parent
    return "select"


def _joins(equal: exp.Expr, column: exp.Column) -> bool:
    """Whether an equality compares the column with a column, as a join in WHERE does."""
    left, right = equal.this, equal.expression
    other = right if column in list(left.find_all(exp.Column)) else left
    return isinstance(other.unnest(), exp.Column)
