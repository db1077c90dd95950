"""Summary tables: one small table that answers the heaviest grouped queries exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp

from tools.messages import (
    Aggregate,
    Candidate,
    CreateSummary,
    Dimension,
    TableName,
    change_id,
    quoted,
)
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext, Found, weight
from tools.product.candidates.grouped import (
    deterministic,
    folded,
    group_keys,
    key_of,
    parse_part,
    plain,
    single_table,
)
from tools.product.catalog import Table
from tools.product.errors import ParseFailed, ProductError
from tools.product.fingerprint import parse
from tools.product.structure import collated
from tools.product.summaries import exact_sum, has_triggers
from tools.product.workload import QueryPattern

MAX_PATTERNS = 60
MAX_SUMMARIES = 4
MAX_SHARE = 1 / 20
"""Most groups a summary may have, as a share of the base table's rows."""
MAX_DIMENSIONS = 6
MIN_ROWS = 20_000


class _Shape(NamedTuple):
    """What a grouped query needs of a summary."""

    pattern: QueryPattern
    table: TableName
    dimensions: frozenset[str]
    aggregates: frozenset[tuple[str, str]]


def find_summaries(context: CandidateContext) -> Found:
    """Propose the summaries that answer most of the workload, each with its rewritten queries."""
    if not has_triggers(context.catalog.engine):
        return Found((), (f"{context.catalog.engine} has no triggers to keep a summary exact",))
    asked = (p for p in context.workload.patterns[:MAX_PATTERNS] if not p.rewritten)
    shapes = [s for p in asked if (s := _shape(context, p)) is not None]
    single = {(s.table, s.dimensions) for s in shapes}
    wanted = single | set(_unions(shapes))
    found: list[Candidate] = []
    notes: list[str] = []
    ordered = sorted(wanted, key=lambda w: (-_worth(shapes, *w), str(w[0]), sorted(w[1])))
    for table_name, dimensions in ordered[: 2 * MAX_SUMMARIES]:
        try:
            candidate, note = _candidate(context, shapes, table_name, dimensions)
        except ProductError as exc:
            candidate, note = None, f"a summary of {table_name}: {str(exc).splitlines()[0][:300]}"
        # Nobody asked for what several queries would need together.
        notes += [note] if note and (table_name, dimensions) in single else []
        found += [candidate] if candidate else []
    return Found(tuple(found[:MAX_SUMMARIES]), tuple(notes))


def _unions(shapes: list[_Shape]) -> Iterator[tuple[TableName, frozenset[str]]]:
    """Yield what several queries need together, heaviest first: a table can have one summary."""
    joint: dict[TableName, frozenset[str]] = {}
    for shape in sorted(shapes, key=lambda s: -weight(s.pattern)):
        wider = joint.get(shape.table, frozenset()) | shape.dimensions
        if len(wider) <= MAX_DIMENSIONS:
            joint[shape.table] = wider
            yield shape.table, wider


def _served(shapes: list[_Shape], table: TableName, dimensions: frozenset[str]) -> list[_Shape]:
    return [s for s in shapes if s.table == table and s.dimensions <= dimensions]


def _worth(shapes: list[_Shape], table: TableName, dimensions: frozenset[str]) -> float:
    return sum(weight(s.pattern) for s in _served(shapes, table, dimensions))


def _shape(context: CandidateContext, pattern: QueryPattern) -> _Shape | None:
    try:
        tree = parse(pattern.sql)
        name = single_table(tree)
    except (ParseFailed, RecursionError):
        return None
    table = context.catalog.table(name) if name else None
    if table is None or table.rows < MIN_ROWS or not isinstance(tree, exp.Select):
        return None
    if table.triggers:
        # A second trigger makes the engine fail at every write (DuckDB 2.0.0).
        return None
    keys = group_keys(tree, frozenset(folded(c.name) for c in table.columns))
    aggregates = _aggregates(tree, table)
    if keys is None or aggregates is None or collated(table):
        return None
    dimensions = {key_of(k) for k in keys}
    dimensions |= _filter_columns(tree, dimensions)
    if not all(_storable(parse_part(d), table) for d in dimensions):
        return None
    return _Shape(pattern, table.name, frozenset(dimensions), frozenset(aggregates))


def _storable(node: exp.Expr, table: Table) -> bool:
    """Whether an expression can be stored: of this table's columns, and the same next year."""
    columns = [table.column(c.name) for c in node.find_all(exp.Column)]
    if not deterministic(node) or None in columns:
        return False
    zoned = any(c is not None and "WITH TIME ZONE" in c.type for c in columns)
    # What day an instant lies in depends on the session's time zone.
    return isinstance(node, exp.Column) or not zoned


def _filter_columns(tree: exp.Select, dimensions: set[str]) -> set[str]:
    """Return the columns WHERE and FILTER need, unless a grouping expression already holds them."""
    needed: set[str] = set()
    conditions = [tree.args.get("where"), *(f.expression for f in tree.find_all(exp.Filter))]
    for condition in conditions:
        if condition is None:
            continue
        covered = [n for n in condition.walk() if _is_key(n, dimensions)]
        for column in condition.find_all(exp.Column):
            if not any(column is c or column in list(c.find_all(exp.Column)) for c in covered):
                needed.add(key_of(column))
    return needed


def _is_key(node: exp.Expr, dimensions: set[str]) -> bool:
    skip = (exp.Literal, exp.Identifier, exp.Where)
    return not isinstance(node, skip) and key_of(node) in dimensions


def _aggregates(tree: exp.Select, table: Table) -> set[tuple[str, str]] | None:
    """Return the stored aggregates a query needs, or None when one cannot be exact."""
    needed: set[tuple[str, str]] = set()
    for node in tree.find_all(exp.AggFunc):
        argument = node.this
        star = argument is None or isinstance(argument, exp.Star)
        key = "" if star else key_of(argument)
        if not plain(node):
            return None
        if not star and not (isinstance(argument, exp.Literal) or _storable(argument, table)):
            return None
        match node:
            case exp.Count():
                needed.add(("count", key))
            case exp.Sum() | exp.Avg() if _exact(argument, table):
                needed.add(("sum", key))
                needed.add(("count", key))
            case exp.Min() | exp.Max() if not star:
                needed.add(("min" if isinstance(node, exp.Min) else "max", key))
            case _:
                return None
    return needed


def _exact(argument: exp.Expr | None, table: Table) -> bool:
    """Whether sums of a column, straight or cast, don't depend on the order of rows."""
    return isinstance(argument, exp.Column | exp.Cast) and exact_sum(argument, table)


def _candidate(
    context: CandidateContext, shapes: list[_Shape], name: TableName, dimensions: frozenset[str]
) -> tuple[Candidate | None, str]:
    table = context.catalog.table(name)
    if table is None:
        return None, ""
    served = _served(shapes, name, dimensions)
    keys = sorted(dimensions)
    groups = _groups(context, table, keys)
    if groups > table.rows * MAX_SHARE:
        return None, (
            f"a summary of {name} by {', '.join(keys)} would have {groups} groups "
            f"for {table.rows} rows"
        )
    change = _change(table, keys, served)
    pairs = [(s.pattern, answer_from_summary(s.pattern.sql, change)) for s in served]
    rewrites = tuple((p.sql, text) for p, text in pairs if text is not None)
    answered = [p for p, text in pairs if text is not None]
    if not rewrites:
        return None, ""
    final = change.model_copy(update={"rewrites": rewrites})
    return Candidate(
        id=change_id(context.product, final),
        agent="query",
        change=final,
        reason=f"{len(rewrites)} grouped queries read {table.rows} rows to make {groups} groups",
        fingerprints=tuple(p.fingerprint for p in answered),
        promise=sum(weight(p) for p in answered) * 0.9,
    ), ""


def _groups(context: CandidateContext, table: Table, keys: list[str]) -> int:
    sql = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(keys)} FROM {table.name.sql})"
    return int(context.probe(sql)[0][0])


def _change(table: Table, keys: list[str], served: list[_Shape]) -> CreateSummary:
    aggregates = sorted({a for s in served for a in s.aggregates} | {("count", "")})
    digest = hashlib.sha256(repr((keys, aggregates)).encode()).hexdigest()[:8]
    summary = f"summary_{table.name.name[:180]}_{digest}"
    taken = {folded(c.name) for c in table.columns}
    return CreateSummary(
        table=table.name,
        summary=TableName(schema_name=table.name.schema_name, name=summary),
        dimensions=tuple(
            Dimension(expression=k, column=_column(k, _free(f"d{i}", taken)))
            for i, k in enumerate(keys)
        ),
        aggregates=tuple(
            Aggregate(function=f, argument=a, column=_free(f"{f}_{i}", taken))
            for i, (f, a) in enumerate(aggregates)
        ),
        rewrites=(),
    )


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no column of the base table has."""
    while name in taken:
        name += "_"
    return name


def _column(key: str, fallback: str) -> str:
    """Name a dimension after its column where it is one."""
    plain = key[1:-1] if key.startswith('"') and key.endswith('"') else ""
    return plain if plain and quoted(plain) == key else fallback
