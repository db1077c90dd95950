"""Changes of a whole table: its order, its indexes, its summaries, whether it is there at all."""

from __future__ import annotations

from collections.abc import Sequence

from tools.messages import (
    CreateIndex,
    CreateSummary,
    DropIndex,
    DropTable,
    RewriteQuery,
    SortTable,
    quoted,
)
from tools.product import summaries
from tools.product.catalog import Catalog, Table
from tools.product.change_plan import (
    ChangePlan,
    Then,
    column_of,
    kept_name,
    stored_names,
    table_of,
)
from tools.product.contract_objects import same_table
from tools.product.errors import Refused, SchemaDrift, UndoConflict
from tools.product.identifiers import folded
from tools.product.rebuild import create_table, declared, dress, numbered, rebuild, undress
from tools.product.references import refuse_read
from tools.product.structure import incoming_triggers

MOST_OTHERS = 0.05
"""So many of the rows may have another sort key than was remembered: some are updated."""


def _refuse_referenced(table: Table, catalog: Catalog, what: str) -> None:
    """Raise `Refused` for what makes the engine refuse updates of rows that others refer to."""
    if any(referenced == table.name for _, referenced in catalog.foreign_keys):
        raise Refused(
            f"{table.name} is referenced by a foreign key: with {what} of rows that are referenced"
            " would be refused by the engine."
        )


def create_index(change: CreateIndex, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Add an index."""
    # Under it an update of an indexed column deletes the row and inserts it anew.
    _refuse_referenced(table, catalog, f"an index, updates of {', '.join(change.columns)}")
    columns = ", ".join(quoted(column_of(table, c).name) for c in change.columns)
    if _has_index(catalog, table, change.name):
        raise Refused(f"There is already an index {change.name}.", hint="Give it another name.")
    forward = f"CREATE INDEX {quoted(change.name)} ON {table.name.sql} ({columns})"
    return ChangePlan((forward,), (f"drop the index {change.name}",))


def _has_index(catalog: Catalog, table: Table, name: str) -> bool:
    near = (t for t in catalog.tables if t.name.schema_name == table.name.schema_name)
    return any(folded(i.name) == folded(name) for t in near for i in t.indexes)


def undo_create_index(
    change: CreateIndex, then: Then, catalog: Catalog, key: str
) -> tuple[str, ...]:
    """Remove the index again."""
    return (f"DROP INDEX IF EXISTS {quoted(change.table.schema_name)}.{quoted(change.name)}",)


def drop_index(change: DropIndex, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Remove an index."""
    index = next((i for i in table.indexes if i.name == change.name), None)
    if index is None:
        raise SchemaDrift(f"There is no index {change.name} on {table.name} any more.")
    if index.definition != change.definition:
        # The contract's verdict and the risks are about what the definition says.
        raise SchemaDrift(f"The index {change.name} is another one: {index.definition}")
    forward = f"DROP INDEX {quoted(table.name.schema_name)}.{quoted(change.name)}"
    return ChangePlan((forward,), (f"create the index {change.name} again",))


def undo_drop_index(change: DropIndex, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Create the index again, as it was declared."""
    dropped = [i for i in then.before.indexes if i.name == change.name]
    return tuple(s for index in dropped for s in declared(then.before, index))


def sort_table(change: SortTable, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Rewrite the rows in another order and remember the old one."""
    source, number = numbered(table)
    keys = [f"t.{quoted(column_of(table, c).name)}" for c in change.order_by]
    sort = [*keys, number]
    order = kept_name("order", key)
    remember = (
        f"CREATE TABLE {order.sql} AS SELECT {number} AS old, {_mark(keys)} AS mark FROM {source}"
        f" ORDER BY {', '.join(sort)}"
    )
    forward = rebuild(table, table, catalog, source=source, order_by=sort)
    step = (
        f"put the rows of {table.name} back into their old order, later rows last; those that"
        " the engine renumbered after deletes stay as they are"
    )
    return ChangePlan((remember, *forward), (step,), (order,))


def undo_sort_table(change: SortTable, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Put the rows back into their old order, later ones last, unless they were renumbered.

    The old order is known by row numbers. When the engine clears deleted rows away, those behind
    them move up, which shows in their sort keys: then another row's place would be no better.
    """
    table, order = table_of(catalog, change.table), kept_name("order", key)
    present, number = numbered(table)
    # An order that was kept by a version before has no marks.
    kept = (
        f"(SELECT *, rowid AS place FROM {order.sql} UNION ALL BY NAME"
        " SELECT NULL::USMALLINT AS mark WHERE false) AS pillion_o"
    )
    keys = [f"t.{quoted(c.name)}" for c in map(table.column, change.order_by) if c is not None]
    moved = "false"
    if len(keys) == len(change.order_by):
        others = f"avg(CAST(pillion_o.mark <> {_mark(keys)} AS INTEGER)) > {MOST_OTHERS}"
        paired = f"{present} JOIN {kept} ON pillion_o.place = {number}"
        moved = f"(SELECT coalesce({others}, false) FROM {paired})"
    source = f"{present} LEFT JOIN {kept} ON pillion_o.place = {number}"
    sort = [f"CASE WHEN NOT {moved} THEN pillion_o.old END NULLS LAST", number]
    restore = rebuild(table, table, catalog, source=source, order_by=sort)
    return (*restore, f"DROP TABLE {order.sql}")


def _mark(keys: Sequence[str]) -> str:
    """Return what tells a row's sort key from most others, also where its type is another."""
    return f"CAST(hash({', '.join(f'CAST({k} AS VARCHAR)' for k in keys)}) % 65536 AS USMALLINT)"


def drop_table(change: DropTable, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Remove a table and keep its rows."""
    refuse_read(catalog, table.name, None)
    if any(table.name in pair for pair in catalog.foreign_keys):
        raise Refused(f"A foreign key ties {table.name} to another table.")
    if table.triggers or incoming_triggers(catalog, table):
        raise Refused(f"A trigger or a summary works with {table.name}.", hint="Remove it first.")
    kept = kept_name("table", key)
    forward = (
        f"CREATE TABLE {kept.sql} AS SELECT {stored_names(table)} FROM {table.name.sql}",
        *undress(table),
        f"DROP TABLE {table.name.sql}",
    )
    return ChangePlan(forward, (f"create {table.name} again with all its rows",), (kept,))


def undo_drop_table(change: DropTable, then: Then, catalog: Catalog, key: str) -> tuple[str, ...]:
    """Create the table again with its rows."""
    if catalog.table(change.table) is not None:
        raise UndoConflict(f"There is a new table {change.table}.", hint="Rename or drop it first.")
    before, kept = then.before, kept_name("table", key)
    names = stored_names(before)
    return (
        create_table(before, before.name),
        f"INSERT INTO {before.name.sql} ({names}) SELECT {names} FROM {kept.sql}",
        *dress(before),
        f"DROP TABLE {kept.sql}",
    )


def create_summary(change: CreateSummary, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Make a summary table and its triggers."""
    taken = [*(t.name for t in catalog.tables), *(v.name for v in catalog.views)]
    if any(same_table(change.summary, name) for name in taken):
        raise Refused(
            f"There is already a table or view {change.summary}.", hint="Give it another name."
        )
    if table.triggers:
        raise Refused(
            f"{table.name} has a trigger already, and {catalog.engine} cannot write to a table"
            " with two.",
            hint="Drop the other trigger or summary first.",
        )
    # Triggers make every update delete the row and insert it anew.
    _refuse_referenced(table, catalog, "a summary's triggers, updates")
    return ChangePlan(
        summaries.create(change, table),
        (f"drop {change.summary}; its queries read {table.name} again",),
    )


def undo_create_summary(
    change: CreateSummary, then: Then, catalog: Catalog, key: str
) -> tuple[str, ...]:
    """Remove a summary table and its triggers."""
    table = catalog.table(change.table)
    return summaries.drop(change, [t.name for t in table.triggers] if table else [])


def rewrite_query(change: RewriteQuery, table: Table, catalog: Catalog, key: str) -> ChangePlan:
    """Answer a query by another text; nothing changes in the tables."""
    return ChangePlan((), ("answer the query by its own text again",))


def undo_rewrite_query(
    change: RewriteQuery, then: Then, catalog: Catalog, key: str
) -> tuple[str, ...]:
    """Answer the query by its own text again."""
    return ()
