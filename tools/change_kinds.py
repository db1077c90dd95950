"""Kinds of change by what they are for."""

from __future__ import annotations

from tools.messages import Change, ChangeKind, change_target

NEUTRAL: frozenset[ChangeKind] = frozenset(
    {"add_not_null", "add_check", "drop_index", "drop_column", "drop_table"}
)
"""Worth doing when they cost nothing; all others have to make the workload faster."""


def described(change: Change) -> str:
    """Return a change in few words: sort table flights(day)."""
    return f"{change.kind.replace('_', ' ')} {change_target(change)}"
