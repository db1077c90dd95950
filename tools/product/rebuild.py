"""Rebuilding a table in one transaction: DuckDB refuses ALTER under indexes and triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Index, Table
from tools.product.errors import Refused
from tools.product.structure import incoming_triggers, refuse_unseen


def literal(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def create_table(table: Table, name: TableName) -> str:
    """Return the full CREATE TABLE of `table` under another name."""
    parts = [_column(c) for c in table.columns]
    parts += [c.text for c in table.constraints if c.kind != "NOT NULL"]
    return f"CREATE TABLE {name.sql} ({', '.join(parts)})"


def dress(table: Table) -> tuple[str, ...]:
    """Return the statements that give a bare table its comments, indexes and triggers."""
    statements = []
    if table.comment is not None:
        statements.append(f"COMMENT ON TABLE {table.name.sql} IS {literal(table.comment)}")
    for column in table.columns:
        if column.comment is not None:
            target = f"{table.name.sql}.{quoted(column.name)}"
            statements.append(f"COMMENT ON COLUMN {target} IS {literal(column.comment)}")
    for index in table.indexes:
        statements += declared(table, index)
    statements += [t.definition for t in table.triggers]
    return tuple(statements)


def declared(table: Table, index: Index) -> tuple[str, ...]:
    """Return the statements that make an index of a table with its comment."""
    if index.comment is None:
        return (index.definition,)
    name = f"{quoted(table.name.schema_name)}.{quoted(index.name)}"
    return (index.definition, f"COMMENT ON INDEX {name} IS {literal(index.comment)}")


def undress(table: Table) -> tuple[str, ...]:
    """Return the statements that take a table's triggers and explicit indexes away."""
    drops = [f"DROP TRIGGER {quoted(t.name)} ON {table.name.sql}" for t in table.triggers]
    schema = quoted(table.name.schema_name)
    return (*drops, *(f"DROP INDEX {schema}.{quoted(i.name)}" for i in table.indexes))


def numbered(table: Table) -> tuple[str, str]:
    """Return `table` as row source `t` and the SQL of each row's number in it."""
    names = {c.name.lower() for c in table.columns}
    if "rowid" not in names:
        return f"{table.name.sql} AS t", "t.rowid"
    # A column of that name hides the engine's own row number.
    tries = (f"pillion_row{'_' * i}" for i in range(len(names) + 1))
    number = next(n for n in tries if n not in names)
    ordered = f"SELECT *, row_number() OVER () - 1 AS {number} FROM {table.name.sql}"
    return f"({ordered}) AS t", f"t.{number}"


def rebuild(
    old: Table,
    new: Table,
    catalog: Catalog,
    *,
    values: Mapping[str, str] | None = None,
    source: str | None = None,
    order_by: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the statements that replace `old` by `new`, keeping every row.

    `values` maps a column of `new` to the SQL that computes it from the row `t` of `source`
    (the old table by default); other columns are copied. Raises `Refused` when a foreign key
    of another table points here, or when the engine doesn't tell all of the table's declaration.
    """
    refuse_unseen(old)
    if any(referenced == old.name for _, referenced in catalog.foreign_keys):
        raise Refused(
            f"{old.name} is referenced by a foreign key, so the engine cannot rebuild it.",
            hint="Drop the foreign key first.",
        )
    temporary = TableName(
        schema_name=old.name.schema_name, name=f"pillion_new_{old.name.name}"[:255]
    )
    stored = [c for c in new.columns if c.generated is None]
    names = ", ".join(quoted(c.name) for c in stored)
    chosen = [(values or {}).get(c.name, f"t.{quoted(c.name)}") for c in stored]
    order = f" ORDER BY {', '.join(order_by)}" if order_by else ""
    incoming = incoming_triggers(catalog, old)
    return (
        *(f"DROP TRIGGER {quoted(t.name)} ON {other.name.sql}" for other, t in incoming),
        *undress(old),
        create_table(new, temporary),
        f"INSERT INTO {temporary.sql} ({names})"
        f" SELECT {', '.join(chosen)} FROM {source or old.name.sql + ' AS t'}{order}",
        f"DROP TABLE {old.name.sql}",
        *_in_place(new, temporary, old.name, names),
        *dress(new),
        *(t.definition for _, t in incoming),
    )


def refers(table: Table) -> bool:
    """Whether a table has a foreign key: a rebuild writes its rows twice then."""
    return any(c.kind == "FOREIGN KEY" for c in table.constraints)


def _in_place(new: Table, temporary: TableName, name: TableName, names: str) -> tuple[str, ...]:
    """Return the statements that give a new table the name of the old one.

    A referenced table goes on looking for a renamed one under the name it was made with, and
    refuses every DELETE: with a foreign key the rows are copied once more, not renamed.
    """
    if not refers(new):
        return (f"ALTER TABLE {temporary.sql} RENAME TO {quoted(name.name)}",)
    return (
        create_table(new, name),
        f"INSERT INTO {name.sql} ({names}) SELECT {names} FROM {temporary.sql}",
        f"DROP TABLE {temporary.sql}",
    )


def _column(column: Column) -> str:
    text = f"{quoted(column.name)} {column.type}"
    if column.generated is not None:
        return f"{text} GENERATED ALWAYS AS ({column.generated})"
    if column.default is not None:
        text += f" DEFAULT ({column.default})"
    return text if column.nullable else f"{text} NOT NULL"
