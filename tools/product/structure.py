"""Structure as values: what a table looks like under another column type, and merged back."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.product.catalog import Catalog, Column, Constraint, Table, Trigger
from tools.product.errors import Refused, UndoConflict

_FIELDS = ("type", "nullable", "default", "generated")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_UNSEEN = re.compile(r"\bCOLLATE\b|\bUSING COMPRESSION\b", re.IGNORECASE)


def hard_constraints(table: Table) -> tuple[Constraint, ...]:
    """Return the constraints that are more than NOT NULL."""
    return tuple(c for c in table.constraints if c.kind != "NOT NULL")


def incoming_triggers(catalog: Catalog, table: Table) -> tuple[tuple[Table, Trigger], ...]:
    """Return the triggers of other tables that mention this one; too many do no harm."""
    mention = table.name.name.replace('"', '""').lower()
    return tuple(
        (other, trigger)
        for other in catalog.tables
        if other.name != table.name
        for trigger in other.triggers
        if mention in trigger.definition.lower()
    )


def encumbered(table: Table, catalog: Catalog) -> bool:
    """Whether something hangs on the table that makes DuckDB refuse ALTER."""
    generated = any(c.generated is not None for c in table.columns)
    dependents = table.indexes or table.triggers or incoming_triggers(catalog, table)
    return bool(dependents or hard_constraints(table)) or generated


def collated(table: Table) -> bool:
    """Whether a column of the table may compare text by a collation."""
    return "COLLATE" in _QUOTED.sub("", table.definition).upper()


def refuse_unseen(table: Table) -> None:
    """Refuse a table whose declaration holds what the catalog functions don't tell."""
    if _UNSEEN.search(_QUOTED.sub("", table.definition)):
        raise Refused(
            f"{table.name} declares a collation or a compression, which a rewrite would lose.",
            hint="Change this table by hand.",
        )


def mentions(expression: str, column: str) -> bool:
    """Whether an expression may read the column; one that cannot be parsed may."""
    try:
        tree = sqlglot.parse_one(expression, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return True
    return any(
        column.lower() in {part.name.lower() for part in node.parts}
        for node in tree.find_all(exp.Column)
    )


def substituted(expression: str, column: str, replacement: str) -> str:
    """Return `expression` with another expression in the column's place."""
    tree = sqlglot.parse_one(expression, dialect="duckdb")
    new = sqlglot.parse_one(f"({replacement})", dialect="duckdb")

    def swap(node: exp.Expr) -> exp.Expr:
        plain = isinstance(node, exp.Column) and len(node.parts) == 1
        return new.copy() if plain and node.name.lower() == column.lower() else node

    if any(
        len(node.parts) > 1 and column.lower() in {part.name.lower() for part in node.parts}
        for node in tree.find_all(exp.Column)
    ):
        raise Refused(f"{expression} names {column} in a way that cannot be rewritten.")
    return tree.transform(swap).sql(dialect="duckdb")


def retyped(table: Table, name: str, to_type: str, forward: str, backward: str) -> Table:
    """Return `table` with a column stored as another type, its rules still about the old values.

    Raises `Refused` when a foreign key or an index expression stands in the way.
    """
    for index in table.indexes:
        plain = {c.name.lower() for c in table.columns}
        if any(c.lower() not in plain and mentions(c, name) for c in index.columns):
            raise Refused(f"The index {index.name} computes with {table.name}.{name}.")
    if any(c.kind == "FOREIGN KEY" and name in c.columns for c in table.constraints):
        raise Refused(f"A foreign key of {table.name} uses {name}.")
    columns = tuple(_retyped_column(c, name, to_type, forward, backward) for c in table.columns)
    rules = tuple(
        c.model_copy(update={"text": _rule(c.text, name, backward)})
        if c.kind == "CHECK" and name in c.columns
        else c
        for c in table.constraints
    )
    return table.model_copy(update={"columns": columns, "constraints": rules})


def _retyped_column(column: Column, name: str, to_type: str, forward: str, backward: str) -> Column:
    if column.name == name:
        default = column.default and substituted(forward, name, column.default)
        return column.model_copy(update={"type": to_type, "default": default})
    if column.generated is not None and mentions(column.generated, name):
        text = substituted(column.generated, name, backward)
        return column.model_copy(update={"generated": text})
    return column


def _rule(text: str, name: str, backward: str) -> str:
    """Return a CHECK constraint about the value that `backward` computes."""
    inner = text.strip()[len("CHECK") :].strip()
    return f"CHECK ({substituted(inner, name, backward)})"


def restored(now: Table, before: Table, after: Table) -> Table:
    """Return `now` without what led from `before` to `after`; whatever came later stays.

    Raises `UndoConflict` when what the change made is not there any more.
    """
    columns = tuple(
        _restored_column(c, before.column(c.name), after.column(c.name)) for c in now.columns
    )
    had, made = _hard_texts(before), _hard_texts(after)
    if made - had - _hard_texts(now):
        raise UndoConflict(f"The rules of {now.name} were changed since.")
    rules = [c for c in now.constraints if c.text in had or c.text not in made]
    present = {c.text for c in rules}
    rules += [c for c in hard_constraints(before) if c.text not in made and c.text not in present]
    return now.model_copy(update={"columns": columns, "constraints": tuple(rules)})


def _hard_texts(table: Table) -> set[str]:
    return {c.text for c in hard_constraints(table)}


def _restored_column(now: Column, before: Column | None, after: Column | None) -> Column:
    if before is None or after is None:
        return now
    return now.model_copy(update=dict(_changes_back(now, before, after)))


def _changes_back(now: Column, before: Column, after: Column) -> Iterable[tuple[str, object]]:
    for field in _FIELDS:
        old, new = getattr(before, field), getattr(after, field)
        if old == new:
            continue
        if getattr(now, field) == new:
            yield field, old
        elif field in ("type", "generated"):
            raise UndoConflict(f"The column {now.name} was changed since.")
