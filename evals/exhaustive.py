"""The best product that any set of known ideas makes, found by judging every set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import anyio

from evals.judging import PARALLEL
from evals.oracle.case import Judgement
from evals.products import Product, judge_changes
from evals.scenarios.scenario import Best
from evals.statistics import Estimate
from tools.messages import Change, Trial, change_target

MOST_SETS = 64
"""Every set where there are no more than this; else singles and pairs of the first ideas."""


class Idea(NamedTuple):
    """One thing that can be done: a change the product's server makes, or the author's own."""

    id: str
    says: str
    change: Change | None = None
    best: Best | None = None


class Reached(NamedTuple):
    """What a set of ideas reaches, measured again after it had won."""

    ideas: tuple[Idea, ...]
    judgement: Judgement


Judge = Callable[[Sequence[Idea]], Awaitable[Judgement]]


def ideas_of(trials: Iterable[Trial], best: Best | None) -> list[Idea]:
    """Return the author's best and what the finder found, the heaviest first."""
    found = sorted(
        (t.candidate for t in trials if t.status != "refused"), key=lambda c: (-c.promise, c.id)
    )
    author = [Idea("author", "the author's best", best=best)] if best else []
    made = [Idea(c.id, f"{c.change.kind} {change_target(c.change)}", c.change) for c in found]
    return [*author, *made]


def sets_of(ideas: Sequence[Idea]) -> list[tuple[Idea, ...]]:
    """Return all sets of some ideas, or all singles and pairs of as many as can be judged."""
    if 2 ** len(ideas) <= MOST_SETS:
        return [s for n in range(1, len(ideas) + 1) for s in combinations(ideas, n)]
    most = max(n for n in range(len(ideas) + 1) if n * (n + 1) // 2 <= MOST_SETS)
    return [s for n in (1, 2) for s in combinations(ideas[:most], n)]


async def search(ideas: Sequence[Idea], judge: Judge) -> Reached | None:
    """Return the set with the largest gain that does no harm; None where no set gains anything."""
    found: dict[tuple[Idea, ...], Judgement] = {}
    places = anyio.CapacityLimiter(PARALLEL)

    async def look(some: tuple[Idea, ...]) -> None:
        async with places:
            found[some] = await judge(some)

    async with anyio.create_task_group() as group:
        for some in sets_of(ideas):
            group.start_soon(look, some)
    good = [s for s, judgement in found.items() if judgement.verdict == "good"]
    if not good:
        return None
    winner = max(good, key=lambda s: (_gain(found[s]), -len(s)))
    # The largest of many measurements owes something to luck, a second one of it doesn't.
    return Reached(winner, await judge(winner))


async def search_product(
    product: Product, trials: Iterable[Trial], scratch: Path
) -> Reached | None:
    """Search the sets of a product's ideas; each is made to a copy by the product's own server."""

    async def judge(ideas: Sequence[Idea]) -> Judgement:
        changes = {i.id: i.change for i in ideas if i.change is not None}
        best = next((i.best for i in ideas if i.best is not None), None)
        return await judge_changes(product, changes, scratch, best=best)

    best = product.scenario.best
    return await search(ideas_of(trials, best and best.whole), judge)


def beats(found: Reached, author: Judgement | None) -> bool:
    """Return whether a set reaches more than the author's best."""
    return reachable(found.judgement) is not None and _gain(found.judgement) > _gain(author)


def reachable(best: Judgement | None) -> Estimate | None:
    """Return the gain of the best product that is known; one that does harm is none."""
    return best.gain if best is not None and best.verdict != "harmful" else None


def _gain(judgement: Judgement | None) -> float:
    found = reachable(judgement)
    return found.value if found is not None else 1.0
