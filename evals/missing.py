"""Known improvements that were not proposed: was a gain missed, or had another taken it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evals.judging import Judgements
from evals.scenarios.scenario import Known
from tools.messages import Change

WORTHLESS = frozenset(("neutral", "harmful"))
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

    Each of `ideas` that brings one is judged on the product with `in_place` on both sides: all of
    them have to be worth nothing. What no idea brings counts as missed: nobody knows its gain.
    """
    told = [c for c in dict.fromkeys(ideas) if any(k.is_brought_by(c) for k in known)]
    changes = {f"known{n}": c for n, c in enumerate(told)}
    found = await judgements.of(changes, dict.fromkeys(changes, in_place))
    verdicts = {
        k.name: {found[i].verdict for i, c in changes.items() if k.is_brought_by(c)} for k in known
    }
    return tuple(name for name, said in verdicts.items() if said and said <= WORTHLESS)
