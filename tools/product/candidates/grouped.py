"""Reading a plain grouped query over one table: its table, its keys, and what is deterministic."""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache

from sqlglot import exp

from tools.messages import TableName
from tools.product.candidates.instants import gives_instant
from tools.product.fingerprint import parse
from tools.product.identifiers import folded
from tools.product.logical_types import zoned

Keys = Set[str]
PARTS = frozenset({"expressions", "from_", "where", "group", "having", "order", "limit", "offset"})
"""Parts of a SELECT that mean the same over groups as over rows."""
_FORBIDDEN = (
    exp.Query, exp.Window, exp.Distinct, exp.Star, exp.Lambda, exp.Qualify, exp.Unnest,
    exp.Collate, exp.Placeholder, exp.Parameter, exp.WithinGroup, exp.Rollup, exp.Cube,
    exp.GroupingSets, exp.PositionalColumn,
)  # fmt: skip
_SCALAR = (
    exp.Cast, exp.TryCast, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Round, exp.Abs, exp.Ceil,
    exp.Floor, exp.Lower, exp.Upper, exp.Trim, exp.Concat, exp.Substring, exp.Length, exp.Left,
    exp.Right, exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month,
    exp.Week, exp.WeekOfYear, exp.Day, exp.Dayname, exp.Monthname, exp.DayOfWeek, exp.DayOfMonth,
    exp.DayOfYear, exp.DayOfWeekIso, exp.Hour, exp.Minute, exp.Second, exp.TimeToStr, exp.StrToTime,
    exp.TsOrDsToDate, exp.Date, exp.DateDiff, exp.And, exp.Or, exp.Xor, exp.StartsWith,
    exp.EndsWith, exp.Contains, exp.RegexpLike, exp.Greatest, exp.Least,
)  # fmt: skip
_NOW = (exp.CurrentDate, exp.CurrentTimestamp)
CLOCKS = frozenset({"current_date", "current_timestamp"})
"""What is the clock to the tree, and to the engine a column where one is called so."""


def key_of(node: exp.Expr) -> str:
    """Return the text by which two expressions over one table are the same."""
    plain = node.copy()
    for column in plain.find_all(exp.Column):
        column.set("table", None)
        column.this.replace(exp.to_identifier(folded(column.name), quoted=True))
    return str(plain.sql(dialect="duckdb", comments=False))


def parse_part(text: str) -> exp.Expr:
    """Return the tree of one SQL expression."""
    return _part(text).copy()


@lru_cache(maxsize=1024)
def _part(text: str) -> exp.Expr:
    part: exp.Expr = parse(f"SELECT {text}").expressions[0]
    return part


def scalar(node: exp.Expr, *, now: bool) -> bool:
    """Whether a function gives one value a row, the same each time (`now`: in one query)."""
    if isinstance(node, exp.Cast | exp.TryCast) and _of_session(node.to):
        return now
    return isinstance(node, _SCALAR) or (now and isinstance(node, _NOW))


def _of_session(kind: exp.DataType) -> bool:
    """Whether a cast to a type may give another value tomorrow: what a name stands for may be."""
    named = any(k.this == exp.DType.USERDEFINED for k in kind.find_all(exp.DataType))
    return named or zoned(kind.sql(dialect="duckdb"))


def plain(node: exp.AggFunc) -> bool:
    """Whether an aggregate has its one argument and nothing else."""
    return not any(v for k, v in node.args.items() if k not in ("this", "big_int"))


def conditional(node: exp.Filter) -> exp.AggFunc | None:
    """Return the aggregate over a CASE that a filtered aggregate equals, where there is one."""
    aggregate = node.this
    if not isinstance(aggregate, exp.AggFunc) or not plain(aggregate):
        return None
    star = aggregate.this is None or isinstance(aggregate.this, exp.Star)
    value = exp.Literal.number(1) if star else aggregate.this.copy()
    case = exp.Case(ifs=[exp.If(this=node.expression.this.copy(), true=value)])
    narrowed: exp.AggFunc = aggregate.copy()
    narrowed.set("this", case)
    return narrowed


def deterministic(node: exp.Expr) -> bool:
    """Whether an expression over a row's columns may be stored: it never changes by itself."""
    functions = all(scalar(f, now=False) for f in node.find_all(exp.Func))
    plain = node.find(exp.Column) is not None and node.find(*_FORBIDDEN) is None
    return functions and plain and not gives_instant(node)


def single_table(tree: exp.Expr, database: str) -> TableName | None:
    """Return the only table of a plain grouped SELECT, or None for any other query.

    `database` is the name of this one, which may stand before the table's; another's may not.
    """
    if not isinstance(tree, exp.Select) or not plain_select(tree, PARTS):
        return None
    source = tree.args.get("from_")
    table = source.this if source is not None else None
    name = named_table(table, database) if table is not None else None
    if table is None or name is None:
        return None
    own = folded(table.alias_or_name)
    if any(len(c.parts) > 2 or folded(c.table or own) != own for c in tree.find_all(exp.Column)):
        # Another qualifier may be a struct column, whose fields are no columns.
        return None
    return name


def plain_select(tree: exp.Select, parts: Set[str]) -> bool:
    """Whether a SELECT has no other parts, and nothing that means another thing over groups."""
    if any(v for k, v in tree.args.items() if k not in parts):
        return False
    counted = (n for n in tree.find_all(exp.Star) if isinstance(n.parent, exp.Count))
    allowed = {id(tree), *(id(n) for n in counted)}
    return all(id(node) in allowed for node in tree.find_all(*_FORBIDDEN))


def named_table(source: exp.Expr, database: str) -> TableName | None:
    """Return the table that a source is by its name alone; None for any other source."""
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        return None
    alias = source.args.get("alias")
    extra = any(v for k, v in source.args.items() if k not in ("this", "db", "catalog", "alias"))
    if extra or (alias is not None and alias.columns):
        return None
    return _here(source, folded(database))


def _here(table: exp.Table, database: str) -> TableName | None:
    if table.catalog and folded(table.catalog) != database:
        return None
    # No schema is called like the database: such a file is not opened.
    unstated = not table.db or (not table.catalog and folded(table.db) == database)
    return TableName(schema_name="main" if unstated else table.db, name=table.name)


def group_keys(tree: exp.Select, columns: Keys) -> list[exp.Expr] | None:
    """Return the grouping expressions with aliases, positions and ALL resolved.

    `columns` are names of the table, which come before aliases. A query of nothing but aggregates
    has no keys. Constants group nothing; None where that leaves no key, where there are grouping
    sets, or where rows are not grouped at all.
    """
    group = tree.args.get("group")
    if group is None:
        whole = all(e.find(exp.AggFunc) for e in tree.expressions)
        return [] if whole else None
    if any(v for k, v in group.args.items() if k not in ("expressions", "all")):
        return None
    if group.args.get("all"):
        keys = [e.unalias() for e in tree.expressions if e.find(exp.AggFunc) is None]
        if not _grouped_alone(tree, {key_of(k) for k in keys}):
            return None
    else:
        resolved = [_resolved(node, tree, columns) for node in group.expressions]
        keys = [k for k in resolved if k is not None]
        if len(keys) < len(resolved):
            return None
    return [k for k in keys if k.find(exp.Column)] or None


def _grouped_alone(tree: exp.Select, keys: Keys) -> bool:
    """Whether GROUP BY ALL groups by these keys alone: columns that HAVING names are added."""
    having = tree.args.get("having")
    named: list[exp.Expr] = []
    for column in _outside(having) if having is not None else ():
        same = [e for e in tree.expressions if e.alias and folded(e.alias) == folded(column.name)]
        named += [column] if column.table or not same else _outside(same[0].unalias())
    return all(key_of(column) in keys for column in named)


def _outside(node: exp.Expr) -> list[exp.Column]:
    """Return the columns that are read by no aggregate."""
    inner = (exp.AggFunc, exp.Filter)
    return [c for c in node.find_all(exp.Column) if c.find_ancestor(*inner) is None]


def _resolved(node: exp.Expr, tree: exp.Select, columns: Keys) -> exp.Expr | None:
    if isinstance(node, exp.Literal):
        position = int(node.name) - 1 if node.name.isdecimal() and not node.is_string else -1
        if not 0 <= position < len(tree.expressions):
            return None
        projection: exp.Expr = tree.expressions[position]
        return projection.unalias()
    if not isinstance(node, exp.Column) or node.table or folded(node.name) in columns:
        return node
    name = folded(node.name)
    named: list[exp.Expr] = [e.unalias() for e in tree.expressions if folded(e.alias) == name]
    if not named or any(folded(c.name) == name for c in named[0].find_all(exp.Column)):
        return node
    return named[0]
