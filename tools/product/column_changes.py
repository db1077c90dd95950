"""Changes of one column: its type, its rules, whether it is there at all."""

from __future__ import annotations

from tools.messages import AddCheck, AddNotNull, ChangeType, DropColumn, quoted
from tools.product import dropped_columns
from tools.product.catalog import Catalog, Column, Constraint, Table
from tools.product.change_plan import ChangePlan, Then, column_of, kept_name, table_of
from tools.product.errors import Refused, SchemaDrift, UndoConflict
from tools.product.rebuild import rebuild
from tools.product.references import refuse_read
from tools.product.structure import encumbered, mentions, restored, retyped
from tools.product.undo_checks import every_value_exact


def _retype(
    table: Table, new: Table, catalog: Catalog, column: Column, expression: str
) -> tuple[str, ...]:
    name, to_type = column.name, column_of(new, column.name).type
    if encumbered(table, catalog) or column.default is not None:
        return rebuild(table, new, catalog, values={name: expression})
    return (
        f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted(name)}"
        f" SET DATA TYPE {to_type} USING {expression}",
    )


def change_type(change: ChangeType, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Store a column as another type."""
    column = column_of(table, change.column)
    if column.type != change.from_type:
        raise SchemaDrift(
            f"{table.name}.{change.column} is {column.type} now, not {change.from_type}."
        )
    if column.generated is not None:
        raise Refused(f"{table.name}.{change.column} is computed from other columns.")
    new = retyped(table, column.name, change.to_type, change.forward, change.backward)
    forward = _retype(table, new, catalog, column, change.forward)
    step = f"store {table.name}.{change.column} as {change.from_type} again, every value exact"
    return ChangePlan(forward, (step,))


def undo_change_type(change: ChangeType, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Store a column as its old type again, where that keeps every value there is by now."""
    table = table_of(catalog, change.table)
    column = column_of(table, change.column)
    if column.type != column_of(then.after, change.column).type:
        raise UndoConflict(f"{table.name}.{column.name} is {column.type} by now.")
    new = restored(table, then.before, then.after)
    check = every_value_exact(table, column, change)
    return (check, *_retype(table, new, catalog, column, change.backward))


def drop_column(change: DropColumn, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Remove a column and keep its values."""
    column = column_of(table, change.column)
    _refuse_used(table, column, catalog)
    kept = kept_name("column", key)
    columns = tuple(c for c in table.columns if c != column)
    rebuilt = encumbered(table, catalog)
    if rebuilt:
        drop = rebuild(table, table.model_copy(update={"columns": columns}), catalog)
    else:
        drop = (f"ALTER TABLE {table.name.sql} DROP COLUMN {quoted(column.name)}",)
    step = f"add {table.name}.{column.name} again with its values, later rows without one"
    keep = dropped_columns.keep(table, column, kept, rebuilt=rebuilt)
    return ChangePlan((keep, *drop), (step,), (kept,))


def _refuse_used(table: Table, column: Column, catalog: Catalog) -> None:
    """Raise `Refused` when something would break without the column."""
    name, label = column.name, f"{table.name}.{column.name}"
    if column.generated is not None or sum(c.generated is None for c in table.columns) == 1:
        raise Refused(f"{label} is computed, or the only stored column of {table.name}.")
    refuse_read(catalog, table.name, name)
    if any(name in c.columns and c.kind != "NOT NULL" for c in table.constraints):
        raise Refused(f"A constraint of {table.name} uses {name}.")
    if any(c.generated is not None and mentions(c.generated, name) for c in table.columns):
        raise Refused(f"A computed column of {table.name} uses {name}.")
    plain = {c.name for c in table.columns}
    for index in table.indexes:
        if any(c == name or (c not in plain and mentions(c, name)) for c in index.columns):
            raise Refused(f"The index {index.name} uses {label}.", hint="Drop the index first.")


def undo_drop_column(change: DropColumn, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Add the column again, in its place, with its values."""
    table, column = table_of(catalog, change.table), column_of(then.before, change.column)
    if table.column(column.name) is not None:
        raise UndoConflict(f"There is a new column {table.name}.{column.name}.")
    kept = kept_name("column", key)
    return dropped_columns.restore(table, then.before, column, catalog, kept)


def _with_column(table: Table, name: str, **fields: object) -> Table:
    columns = tuple(
        c.model_copy(update=fields) if c.name.lower() == name.lower() else c for c in table.columns
    )
    return table.model_copy(update={"columns": columns})


def add_not_null(change: AddNotNull, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Forbid missing values."""
    column = column_of(table, change.column)
    if not column.nullable:
        raise SchemaDrift(f"{table.name}.{column.name} is NOT NULL already.")
    new = _with_column(table, column.name, nullable=False)
    step = f"allow missing values in {table.name}.{column.name} again"
    return ChangePlan(_nullable(table, new, catalog, column.name), (step,))


def undo_add_not_null(
    change: AddNotNull, then: Then, catalog: Catalog, key: str
) -> tuple[str, ...]:
    """Allow missing values again."""
    table = table_of(catalog, change.table)
    return _nullable(table, restored(table, then.before, then.after), catalog, change.column)


def _nullable(table: Table, new: Table, catalog: Catalog, column: str) -> tuple[str, ...]:
    target = column_of(new, column)
    if encumbered(table, catalog):
        return rebuild(table, new, catalog)
    verb = "DROP" if target.nullable else "SET"
    return (f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted(target.name)} {verb} NOT NULL",)


def add_check(change: AddCheck, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Enforce a rule."""
    if not mentions(change.expression, change.column):
        raise Refused(
            f"{change.expression} does not read {change.column}.",
            hint=f"Give a condition of {change.column}.",
        )
    rule = Constraint(kind="CHECK", text=f"CHECK ({change.expression})", columns=(change.column,))
    new = table.model_copy(update={"constraints": (*table.constraints, rule)})
    step = f"drop the rule on {table.name}.{change.column} again"
    return ChangePlan(rebuild(table, new, catalog), (step,))


def undo_add_check(change: AddCheck, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Drop the rule again."""
    table = table_of(catalog, change.table)
    return rebuild(table, restored(table, then.before, then.after), catalog)
