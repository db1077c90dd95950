"""What an undo looks at first, inside its transaction: a check that fails changes nothing."""

from __future__ import annotations

from tools.messages import ChangeType, quoted
from tools.product.catalog import Column, Table
from tools.product.rebuild import literal

CONFLICT = "pillion undo conflict: "
"""Begins the engine's message when a check inside undo fails."""
_EQUAL_YET_OTHER = frozenset({"DOUBLE", "FLOAT", "INTERVAL", "TIME WITH TIME ZONE"})
"""Types with equal values that are not the same: 0.0 and -0.0, a month and 30 days."""


def stop_where(count: str, before: str, after: str) -> str:
    """Return the statement that fails, with the number between two texts, where `count` finds any.

    `count` is a query of one number called n.
    """
    message = f"{literal(CONFLICT + before)} || n || {literal(after)}"
    return f"SELECT CASE WHEN n > 0 THEN error({message}) END FROM ({count})"


def every_value_exact(table: Table, column: Column, change: ChangeType) -> str:
    """Return the check that each present value is told by the one it would become again.

    The rows of then passed it; one written since may hold what the old type has no room for.
    """
    before = f"Rows of {table.name} whose value of {column.name} would not be kept exactly: "
    after = (
        f". It would become {change.backward}, which does not give it back. Nothing was changed;"
        f" change these values or delete the rows first, or keep {column.name} as {column.type}."
    )
    return stop_where(_inexact(table, column, change), before, after)


def _inexact(table: Table, column: Column, change: ChangeType) -> str:
    name, was = quoted(column.name), quoted(f"{column.name} was")
    differs = f"{name} IS DISTINCT FROM {was}"
    if column.type in _EQUAL_YET_OTHER:
        texts = f"CAST({name} AS VARCHAR) IS DISTINCT FROM CAST({was} AS VARCHAR)"
        # A NaN has a sign that only its text tells.
        differs += f" OR (lower(CAST({was} AS VARCHAR)) NOT IN ('nan', '-nan') AND {texts})"
    back = f"SELECT {name} AS {was}, TRY({change.backward}) AS {name} FROM {table.name.sql}"
    again = f"SELECT {was}, TRY({change.forward}) AS {name} FROM ({back})"
    return f"SELECT count(*) AS n FROM ({again}) WHERE {differs}"
