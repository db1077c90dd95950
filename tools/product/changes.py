"""From a typed change to the SQL that makes it and the SQL that takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.change_shape import misshapen
from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    CreateSummary,
    DropColumn,
    DropTable,
    RewriteQuery,
    SortTable,
)
from tools.product import column_changes, summaries, table_changes
from tools.product.catalog import Catalog, Table
from tools.product.change_plan import ChangePlan, Then, column_of, kept_name, table_of
from tools.product.change_sql import check_sql
from tools.product.errors import Refused
from tools.product.fingerprint import uses_stored
from tools.product.structure import mentions, refuse_unseen

__all__ = ["ChangePlan", "leftovers", "plan", "plan_undo", "stands_on"]


def plan(change: Change, catalog: Catalog, *, proposal_id: str) -> ChangePlan:
    """Return how to make a change; raises `Refused` or `SchemaDrift` when it cannot be made."""
    table = table_of(catalog, change.table)
    if isinstance(change, ChangeType | DropColumn | AddNotNull | AddCheck):
        column_of(table, change.column)
    check_sql(change, table)
    _refuse_macros(change, catalog)
    if fault := misshapen(change):
        raise Refused(f"This {change.kind} cannot be made. {fault}")
    if change.kind in _REWRITING:
        refuse_unseen(table)
    return _FORWARD[change.kind](change, table, catalog, proposal_id)


def _refuse_macros(change: Change, catalog: Catalog) -> None:
    """Raise `Refused` where a macro of the product is called like a function of a change."""
    texts = {ChangeType: ("forward", "backward"), AddCheck: ("expression",)}.get(type(change), ())
    for text in (getattr(change, field) for field in texts):
        if catalog.macros and uses_stored(f"SELECT {text}", catalog):
            raise Refused(
                f"{text} calls what a macro of this product is called.",
                hint="Rename the macro, or write the expression without it.",
            )


def plan_undo(
    change: Change, catalog: Catalog, *, before: Table, after: Table | None, proposal_id: str
) -> tuple[str, ...]:
    """Return how to take a change back now that led from `before` to `after` (None: no table)."""
    return _UNDO[change.kind](change, Then(before, after or before), catalog, proposal_id)


def leftovers(change: Change, catalog: Catalog, *, proposal_id: str) -> tuple[str, ...]:
    """Return how to remove what is left of a change whose table somebody replaced since.

    With the table went the change, but not what its undo had kept.
    """
    table = catalog.table(change.table)
    if isinstance(change, CreateSummary):
        return summaries.drop(change, [t.name for t in table.triggers] if table else [])
    kept = (kept_name(kind, proposal_id) for kind in ("order", "column", "table"))
    return tuple(f"DROP TABLE IF EXISTS {name.sql}" for name in kept)


def stands_on(later: Change, earlier: Change) -> bool:
    """Whether `later` must be undone before `earlier` can be."""
    if later.table != earlier.table or isinstance(earlier, RewriteQuery | CreateSummary):
        return False
    match later:
        case DropTable():
            return True
        case SortTable() | DropColumn() | ChangeType() if isinstance(earlier, DropColumn):
            return True
        case SortTable() if isinstance(earlier, SortTable):
            return True
        case DropColumn() if isinstance(earlier, SortTable | ChangeType):
            # Its values find their rows by the numbers and the other values of then.
            return True
        case ChangeType(column=c) | DropColumn(column=c):
            return c.lower() == _touched(earlier) or (
                isinstance(earlier, AddCheck) and mentions(earlier.expression, c)
            )
        case AddCheck(expression=e) if isinstance(earlier, ChangeType):
            return mentions(e, earlier.column)
        case CreateSummary(dimensions=ds, aggregates=aggs) if isinstance(earlier, ChangeType):
            texts = [*(d.expression for d in ds), *(a.argument for a in aggs)]
            return any(t and mentions(t, earlier.column) for t in texts)
    return False


def _touched(change: Change) -> str | None:
    if isinstance(change, ChangeType | DropColumn | AddNotNull | AddCheck):
        return change.column.lower()
    return None


_REWRITING = (
    "change_type",
    "sort_table",
    "drop_column",
    "drop_table",
    "add_not_null",
    "add_check",
)
_FORWARD: dict[str, Callable[[Any, Table, Catalog, str], ChangePlan]] = {
    "change_type": column_changes.change_type,
    "create_index": table_changes.create_index,
    "drop_index": table_changes.drop_index,
    "sort_table": table_changes.sort_table,
    "drop_column": column_changes.drop_column,
    "drop_table": table_changes.drop_table,
    "add_not_null": column_changes.add_not_null,
    "add_check": column_changes.add_check,
    "create_summary": table_changes.create_summary,
    "rewrite_query": table_changes.rewrite_query,
}
_UNDO: dict[str, Callable[[Any, Then, Catalog, str], tuple[str, ...]]] = {
    "change_type": column_changes.undo_change_type,
    "create_index": table_changes.undo_create_index,
    "drop_index": table_changes.undo_drop_index,
    "sort_table": table_changes.undo_sort_table,
    "drop_column": column_changes.undo_drop_column,
    "drop_table": table_changes.undo_drop_table,
    "add_not_null": column_changes.undo_add_not_null,
    "add_check": column_changes.undo_add_check,
    "create_summary": table_changes.undo_create_summary,
    "rewrite_query": table_changes.undo_rewrite_query,
}
