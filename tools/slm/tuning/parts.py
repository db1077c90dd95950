"""Answers in three: what is learned from, what says when to stop, and what is held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tools.slm.dataset import PRODUCTS, Dataset, Example, split
from tools.slm.errors import TooLittle
from tools.slm.training import check_enough, check_held_out, folds_of

LATEST = 1000
"""Answers that are tuned on at most, the latest: memory and time stay bounded."""


class Parts(NamedTuple):
    """The three parts, each in the order of the answers."""

    known: list[Example]
    valid: list[Example]
    """Of other products than `known`, where there are enough."""
    held_out: list[Example]
    """The same as the judge on facts is evaluated on."""
    by: str


def parts_of(dataset: Dataset) -> Parts:
    """Split answers; raises `TooLittle` where a part would hold one kind of answer only.

    The validation part is the fold that is answered most evenly.
    """
    check_enough(dataset)
    cut = split(dataset)
    held_out = [dataset.examples[i] for i in cut.test]
    check_held_out(held_out)
    return _three([dataset.examples[i] for i in cut.train], held_out, cut.by)


def rounds_of(dataset: Dataset, count: int) -> list[Parts]:
    """Split answers so many times, with another part of the products held out each time.

    So every answer is held out once, though an answer of another product may be older than it.
    Raises `TooLittle`, also where there are too few products.
    """
    check_enough(dataset)
    examples = list(dataset.examples)[-LATEST:]
    products = len({e.product for e in examples})
    if products < PRODUCTS:
        raise TooLittle(
            f"There are answers about fewer than {PRODUCTS} products, so no round could hold out"
            " whole ones; leave --rounds out."
        )
    if count > products:
        raise TooLittle(
            f"There are answers about only {products} products, so {count} rounds cannot each hold"
            f" one out; give --rounds {products} or less."
        )
    found = []
    for fold in folds_of(examples, count):
        away = set(fold.tolist())
        rest = [e for i, e in enumerate(examples) if i not in away]
        found.append(_three(rest, [examples[i] for i in fold], "product, in rounds"))
    return found


def _three(train: list[Example], held_out: list[Example], by: str) -> Parts:
    known = train[-LATEST:]
    even = max(folds_of(known), key=lambda fold: _fewest(known[i] for i in fold))
    inside = set(even.tolist())
    valid = [e for i, e in enumerate(known) if i in inside]
    rest = [e for i, e in enumerate(known) if i not in inside]
    if not _fewest(valid) or not _fewest(rest):
        raise TooLittle(
            "No part of what is left to learn from has both kinds of answers to validate on;"
            " answer more proposals and tune again."
        )
    return Parts(rest, valid, held_out, by)


def _fewest(examples: Iterable[Example]) -> int:
    given = [e.approved for e in examples]
    return min(sum(given), len(given) - sum(given))
