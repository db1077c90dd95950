"""Known improvements that were not proposed: was a gain missed, or had another taken it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evals.judging import Judgements
from evals.scenarios.scenario import Known
from tools.messages import Change

WORTHLESS = ("neutral", "harmful")
"""Verdicts that say it; what is undecided counts as missed."""


def found_among(known: Sequence[Known], changes: Iterable[Change]) -> tuple[str, ...]:
    """Return the known improvements that changes bring."""
    given = list(changes)
    return tuple(k.name for k in known if any(k.is_brought_by(c) for c in given))


async def superseded(
    known: Sequence[Known],
    ideas: Sequence[Change],
    in_place: Mapping[str, Change],
    judgements: Judgements,
) -> tuple[str, ...]:
    """Return those of `known` that clearly gain nothing on top of what is in place.

    Each is made as the first of `ideas` that brings it, and judged on the product with `in_place`
    on both sides. One that no idea brings counts as missed: nobody knows what it would gain.
    """
    made = {k.name: next((c for c in ideas if k.is_brought_by(c)), None) for k in known}
    changes = {f"known{n}": c for n, c in enumerate(made.values()) if c is not None}
    found = await judgements.of(changes, dict.fromkeys(changes, in_place))
    return tuple(
        name
        for n, name in enumerate(made)
        if f"known{n}" in found and found[f"known{n}"].verdict in WORTHLESS
    )
