"""When two changes are the same idea, by which an answer is remembered."""

from __future__ import annotations

import json
from typing import Any

from tools.messages import (
    CHANGE,
    ChangeType,
    CreateSummary,
    DropColumn,
    RewriteQuery,
    TrialStatus,
)

UNTRIED: frozenset[TrialStatus] = frozenset({"refused", "failed", "unmeasured"})
"""Of an idea that no measurement speaks against."""


def idea_key(change: Any) -> str:
    """Return what makes a change the same idea again, which an answer to it is remembered by.

    Summaries and rewrites hold texts of queries, whose literals are others next month; how a type
    is reached changes with the first value that means "missing".
    """
    match change:
        case CreateSummary(table=t, dimensions=ds, groupings=gs):
            about: Any = [str(t), sorted(d.expression for d in ds)]
            told = {d.column: d.expression for d in ds}
            about += [sorted(sorted(told[c] for c in g if c in told) for g in gs)] if gs else []
        case RewriteQuery(table=t, fingerprint=f, rule=r):
            about = [str(t), f, r]
        case ChangeType(table=t, column=c, to_type=k):
            about = [str(t), c.lower(), k]
        case DropColumn(table=t, column=c):
            about = [str(t), c.lower()]
        case _:
            about = CHANGE.dump_python(change, mode="json")
    return json.dumps([change.kind, about], sort_keys=True)
