"""The finder's ideas with nothing measured: all of them, or what it would rank and offer."""

from __future__ import annotations

from collections.abc import Sequence

from tools.change_kinds import NEUTRAL
from tools.messages import Change, Trial

TEXTBOOK = 0.001
"""The finder promises no more than this of ideas that it only has refuted by a number."""
ONE_A_TABLE = frozenset({"sort_table", "create_summary"})
"""A table has one order, and DuckDB 2.0 takes one summary."""


def rules_of_thumb(trials: Sequence[Trial]) -> dict[str, Change]:
    """Return every idea of the finder that the contract allows."""
    return {t.candidate.id: t.candidate.change for t in trials if t.status != "refused"}


def unmeasured(trials: Sequence[Trial]) -> dict[str, Change]:
    """Return what Pillion would offer if it believed its finder: gated and ranked by promise.

    What cannot stand beside a better idea of the same table is left out, and so is what the finder
    itself expects nothing of.
    """
    allowed = [t.candidate for t in trials if t.status != "refused"]
    taken: set[tuple[str, str]] = set()
    found: dict[str, Change] = {}
    for candidate in sorted(allowed, key=lambda c: (-c.promise, c.id)):
        change = candidate.change
        place = change.kind, str(change.table)
        if candidate.promise <= TEXTBOOK and change.kind not in NEUTRAL:
            continue
        if change.kind in ONE_A_TABLE and place in taken:
            continue
        taken.add(place)
        found[candidate.id] = change
    return found
