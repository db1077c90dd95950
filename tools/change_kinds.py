"""Kinds of change by what they are for."""

from __future__ import annotations

from tools.messages import ChangeKind

NEUTRAL: frozenset[ChangeKind] = frozenset(
    {"add_not_null", "add_check", "drop_index", "drop_column", "drop_table"}
)
"""Worth doing when they cost nothing; all others have to make the workload faster."""
