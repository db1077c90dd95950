"""The order of measuring: what saves most comes first, but a type before a summary of its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.messages import Candidate, Change, ChangeType, CreateSummary
from tools.product.structure import mentions

WORTH_TRYING_FIRST = 1 / 4
"""How much of a summary's promise a type must have to be measured before it."""
WORTH_NEEDING_FIRST = 1 / 8
"""The same of a type of a column that the summary reads: of text it may be refused."""


def search_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the order of measuring, a function of the ideas alone; those put aside come last.

    A summary of text that is cast hides what the type would gain: its queries no longer read the
    column. So a type is measured first, and the summary has to gain something on top of it.
    """
    ranked = sorted(candidates, key=lambda c: (c.aside, -c.promise, c.id))
    placed: dict[str, Candidate] = {}
    for candidate in ranked:
        for earlier in (*_types_before(candidate, ranked), candidate):
            placed.setdefault(earlier.id, earlier)
    return list(placed.values())


def _types_before(candidate: Candidate, ranked: Iterable[Candidate]) -> Iterator[Candidate]:
    change = candidate.change
    if not isinstance(change, CreateSummary):
        return
    served = set(candidate.fingerprints)
    for other in ranked:
        typed = isinstance(other.change, ChangeType) and other.change.table == change.table
        same = other.aside == candidate.aside and served & set(other.fingerprints)
        if typed and same and other.promise >= candidate.promise * _share(change, other.change):
            yield other


def _share(summary: CreateSummary, change: Change) -> float:
    texts = [*(d.expression for d in summary.dimensions), *(a.argument for a in summary.aggregates)]
    read = isinstance(change, ChangeType) and any(t and mentions(t, change.column) for t in texts)
    return WORTH_NEEDING_FIRST if read else WORTH_TRYING_FIRST
