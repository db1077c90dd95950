"""The order of measuring: what saves most comes first, but a type before a summary of its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.messages import Candidate, ChangeType, CreateSummary

WORTH_TRYING_FIRST = 1 / 4
"""How much of a summary's promise a type must have to be measured before it."""


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
        if typed and same and other.promise >= candidate.promise * WORTH_TRYING_FIRST:
            yield other
