"""Summary tables kept exact by triggers on every insert, update and delete of their base table.

What makes and keeps them names the engine's own functions: what a macro that is called like one had
the triggers write would stay in the summary when the macro is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import KEY, Aggregate, Change, CreateSummary, quoted
from tools.product.catalog import Catalog, Table
from tools.product.engine_sql import with_own_functions
from tools.product.identifiers import folded
from tools.product.summary_content import (
    columns_of,
    content,
    content_of,
    figures,
    key_columns,
    keys_of,
    rows_column,
)

_EXACT_TYPE = re.compile(r"(U?(TINY|SMALL|BIG)INT|HUGEINT|U?INTEGER|INT|DECIMAL\(.*\))$")
"""Types with exact sums; the sum of a UHUGEINT is a DOUBLE."""

WRITTEN_WITH = (
    "SELECT coalesce(nullif(least(1, 2), greatest(1, 2)), sum(1), count(1), min(1), max(1)),"
    " date_trunc('day', x), error(x)"
)
"""Functions of answers from summaries, and of triggers of before, whatever a query calls."""

_COMBINED = {
    "count": "{0} + {1}",
    "sum": "coalesce({0} + {1}, {0}, {1})",
    "min": "least({0}, {1})",
    "max": "greatest({0}, {1})",
}
EVENTS = {
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh",
    "update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS stale NEW TABLE AS fresh",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS stale",
}


def create(change: CreateSummary, table: Table) -> tuple[str, ...]:
    """Return the statements that make a summary and keep it exact."""
    fill = f"CREATE TABLE {change.summary.sql} AS {content(change)}"
    return (fill, *_once(change), *(_trigger(change, table, event) for event in EVENTS))


def _once(change: CreateSummary) -> tuple[str, ...]:
    """Return what keeps a group from getting two rows, each of which later rows would be added to.

    Two writers of the same new group both find none; so the second one's commit fails, as it
    does where both change a group that is there. NULLs are no equal keys to an index: two writers
    of the first row of such a group at the same moment are not kept apart. A row of several
    groupings has NULL for what its own does without, so there the index is over a digest.
    """
    keys = _indexed(change)
    name = quoted(f"{change.summary.name[:200]}_once")
    columns = ", ".join(quoted(c) for c in keys)
    return (f"CREATE UNIQUE INDEX {name} ON {change.summary.sql} ({columns})",) if keys else ()


def _indexed(change: CreateSummary) -> list[str]:
    return [KEY] if change.groupings else key_columns(change)


def drop(change: CreateSummary, triggers: Iterable[str]) -> tuple[str, ...]:
    """Return the statements that remove a summary and those of its triggers that exist."""
    mine = {trigger_name(change, event) for event in EVENTS}
    drops = [f"DROP TRIGGER {quoted(t)} ON {change.table.sql}" for t in triggers if t in mine]
    return (*drops, f"DROP TABLE IF EXISTS {change.summary.sql}")


def kept_exact(change: CreateSummary, catalog: Catalog) -> bool:
    """Whether a summary and all that keeps it exact are still there."""
    table = catalog.table(change.table)
    present = {t.name for t in table.triggers} if table else set()
    wanted = {trigger_name(change, event) for event in EVENTS}
    return wanted <= present and catalog.table(change.summary) is not None


def sweep(con: duckdb.DuckDBPyConnection, kept: Iterable[Change]) -> None:
    """Delete the rows of groups that are gone. Nobody else may write meanwhile.

    Where that fails, say on a full disk, they stay until the next time: no answer reads them.
    """
    for change in kept:
        if isinstance(change, CreateSummary) and (rows := rows_column(change)):
            with suppress(duckdb.Error):
                con.execute(f"DELETE FROM {change.summary.sql} WHERE {quoted(rows)} = 0")


def trigger_name(change: CreateSummary, event: str) -> str:
    """Return the name of the trigger for an event."""
    return f"{change.summary.name[:200]}_{event}"


def _trigger(change: CreateSummary, table: Table, event: str) -> str:
    on = EVENTS[event].format(table=change.table.sql)
    added = event == "insert" and all(_additive(a, table) for a in change.aggregates)
    body = _merge_added(change) if added else _merge_affected(change, event)
    return f"CREATE TRIGGER {quoted(trigger_name(change, event))} {on} FOR EACH STATEMENT {body}"


def _additive(aggregate: Aggregate, table: Table) -> bool:
    """Whether adding new rows' share gives exactly what computing it anew would give."""
    if aggregate.function != "sum":
        return True
    try:
        tree = sqlglot.parse_one(aggregate.argument, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return False
    return exact_sum(tree, table)


def exact_sum(node: exp.Expr, table: Table) -> bool:
    """Whether an expression yields integers or decimals; sums of floats depend on their order."""
    match node:
        case exp.Cast():
            return bool(_EXACT_TYPE.match(node.to.sql(dialect="duckdb")))
        case exp.Column():
            column = table.column(node.name)
            return column is not None and bool(_EXACT_TYPE.match(column.type))
        case exp.Literal():
            return not node.is_string and "e" not in node.name.lower()
        case exp.Add() | exp.Sub() | exp.Mul():
            return exact_sum(node.this, table) and exact_sum(node.expression, table)
        case exp.Paren() | exp.Neg():
            return exact_sum(node.this, table)
        case exp.Null():
            return True
        case exp.Case():
            values = [i.args["true"] for i in node.args["ifs"]]
            values += [d for d in (node.args.get("default"),) if d is not None]
            return all(exact_sum(v, table) for v in values)
    return False


def _same(change: CreateSummary, left: str, right: str) -> str:
    pairs = (
        f"{left}.{quoted(c)} IS NOT DISTINCT FROM {right}.{quoted(c)}" for c in key_columns(change)
    )
    return " AND ".join(pairs) or "TRUE"


def _merge_added(change: CreateSummary) -> str:
    """Add the groups of the new rows; counts, exact sums, minima and maxima are incremental."""
    sets = _sets(change, lambda a: _combined(a.function, quoted(a.column)))
    return (
        f"MERGE INTO {change.summary.sql} AS pillion_s"
        f" USING ({content_of(change, 'fresh')}) AS pillion_x"
        f" ON {_same(change, 'pillion_s', 'pillion_x')} WHEN MATCHED THEN UPDATE SET {sets}"
        f" WHEN NOT MATCHED THEN INSERT {_inserted(change)}"
    )


def _combined(function: str, column: str) -> str:
    return with_own_functions(
        _COMBINED[function].format(f"pillion_s.{column}", f"pillion_x.{column}")
    )


def _merge_affected(change: CreateSummary, event: str) -> str:
    """Compute the groups of changed rows anew, and empty or remove those that are without rows."""
    sources = {"insert": ("fresh",), "update": ("stale", "fresh"), "delete": ("stale",)}[event]
    changed = " UNION ".join(k for source in sources for k in keys_of(change, source))
    names = [f"pillion_a.{quoted(c)}" for c in key_columns(change)]
    names += [f"pillion_b.{quoted(c)}" for c in figures(change)]
    alive = quoted(_free("pillion_alive", columns_of(change)))
    base = f"SELECT *, TRUE AS {alive} FROM ({content(change)})"
    current = (
        f"SELECT {', '.join(names)}, pillion_b.{alive} FROM ({changed}) AS pillion_a"
        f" LEFT JOIN ({base}) AS pillion_b ON {_same(change, 'pillion_a', 'pillion_b')}"
    )
    sets = _sets(change, lambda a: f"pillion_x.{quoted(a.column)}")
    emptied = _sets(change, lambda a: "0" if a.function == "count" else "NULL")
    gone = f"UPDATE SET {emptied}" if rows_column(change) else "DELETE"
    return (
        f"MERGE INTO {change.summary.sql} AS pillion_s USING ({current}) AS pillion_x"
        f" ON {_same(change, 'pillion_s', 'pillion_x')}"
        f" WHEN MATCHED AND pillion_x.{alive} IS NULL THEN {gone}"
        f" WHEN MATCHED THEN UPDATE SET {sets}"
        f" WHEN NOT MATCHED AND pillion_x.{alive} THEN INSERT {_inserted(change)}"
    )


def _sets(change: CreateSummary, value: Callable[[Aggregate], str]) -> str:
    """Return what a group's row is set to; all of it, so that two writers at once conflict.

    Where groups that are gone are deleted, a key is set, too, to what it is: a row of which the
    index has a column set is written anew, and so of a change and a deletion the later one fails.
    """
    keys = [] if rows_column(change) else _indexed(change)[:1]
    sets = [f"{quoted(c)} = pillion_s.{quoted(c)}" for c in keys]
    sets += [f"{quoted(a.column)} = {value(a)}" for a in change.aggregates]
    return ", ".join(sets)


def _free(name: str, taken: Iterable[str]) -> str:
    """Return a name that no column has."""
    known = {folded(t) for t in taken}
    while name in known:
        name += "_"
    return name


def _inserted(change: CreateSummary) -> str:
    columns = columns_of(change)
    names = ", ".join(quoted(c) for c in columns)
    return f"({names}) VALUES ({', '.join(f'pillion_x.{quoted(c)}' for c in columns)})"
