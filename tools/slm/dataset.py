"""Recorded answers as a training set: each once, its contradictions known, split without leaks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from tools.slm.facts import Facts
from tools.slm.features import History, histories

PRODUCTS = 5
"""With fewer products none can be held out as a whole; then only the latest answers are."""
HELD_OUT = 0.25
MOST_HELD_OUT = 0.5
"""Share that whole products may hold out at most: what is learned from has to be left."""
LATE = 0.1
"""Share of the other products' answers that is held out at least, the latest."""
FORMAT = "1"


class Example(NamedTuple):
    """One answer to one proposal."""

    proposal: str
    product: str
    kind: str
    facts: Facts
    approved: bool
    at: datetime
    history: History = History()

    @property
    def asked(self) -> tuple[str, str, Facts]:
        """What the person was asked, without the answer."""
        return (self.product, self.kind, self.facts)


class Split(NamedTuple):
    """What is learned from and what is held out, as positions; nothing of one is in the other."""

    train: list[int]
    test: list[int]
    by: str
    dropped: int
    """Held-out answers about ideas that were also learned from: left out of both."""


class Dataset(NamedTuple):
    """Examples in the order of the answers, and how they came about."""

    examples: Sequence[Example]
    given: int
    contradictions: int
    """Answers that another answer to the same question contradicts."""
    digest: str

    @property
    def approved(self) -> int:
        """How many answers are approvals."""
        return sum(e.approved for e in self.examples)

    @property
    def products(self) -> list[str]:
        """The products, by their first answer."""
        return list(dict.fromkeys(e.product for e in self.examples))

    @property
    def best_accuracy(self) -> float:
        """The most that a judge of facts alone can reach: it gives the same question one answer."""
        votes: dict[tuple[str, str, Facts], list[bool]] = defaultdict(list)
        for e in self.examples:
            votes[e.asked].append(e.approved)
        right = sum(max(sum(v), len(v) - sum(v)) for v in votes.values())
        return right / len(self.examples) if self.examples else 1.0


def make_dataset(given: Iterable[Example]) -> Dataset:
    """Order answers by time, keep repeated ones once, note contradictions and what came before."""
    ordered = sorted(given, key=lambda e: (e.at, e.proposal))
    once = {(e.asked, e.approved): e for e in ordered}
    kept = sorted(once.values(), key=lambda e: (e.at, e.proposal))
    past = histories((e.product, e.kind, e.approved) for e in kept)
    examples = [e._replace(history=h) for e, h in zip(kept, past, strict=True)]
    answers: dict[tuple[str, str, Facts], set[bool]] = defaultdict(set)
    for e in examples:
        answers[e.asked].add(e.approved)
    contradictions = sum(len(answers[e.asked]) > 1 for e in examples)
    return Dataset(examples, len(ordered), contradictions, _digest(examples))


def _digest(examples: Sequence[Example]) -> str:
    told = hashlib.sha256(FORMAT.encode())
    for e in examples:
        said = (e.proposal, e.product, e.kind, e.facts.model_dump_json(), e.approved)
        told.update(repr((*said, e.at.isoformat())).encode())
    return told.hexdigest()


def split(dataset: Dataset) -> Split:
    """Hold out whole products and, of the others, what was answered last.

    What is learned from is older than the held-out part of its products and shares no product
    with the rest; an idea that comes again is in one of the two only.
    """
    examples = dataset.examples
    away = _held_out_products(dataset)
    inside = [i for i, e in enumerate(examples) if e.product not in away]
    missing = HELD_OUT * len(examples) - (len(examples) - len(inside))
    late = max(round(LATE * len(inside)), round(missing))
    train, test = inside[: len(inside) - late], inside[len(inside) - late :]
    known = {(examples[i].product, examples[i].proposal) for i in train}
    fresh = [i for i in test if (examples[i].product, examples[i].proposal) not in known]
    others = [i for i, e in enumerate(examples) if e.product in away]
    by = "product and time" if away else "time"
    return Split(train, sorted((*others, *fresh)), by, len(test) - len(fresh))


def _held_out_products(dataset: Dataset) -> set[str]:
    """Return about a fifth of the answers as whole products, chosen by the hash of their names.

    One that most answers are about is learned from: with it away nothing would be left.
    """
    products = dataset.products
    if len(products) < PRODUCTS:
        return set()
    size: dict[str, int] = defaultdict(int)
    for e in dataset.examples:
        size[e.product] += 1
    wanted, found = 0.8 * HELD_OUT * len(dataset.examples), 0
    most = MOST_HELD_OUT * len(dataset.examples)
    away: set[str] = set()
    for product in sorted(products, key=lambda p: hashlib.sha256(p.encode()).hexdigest()):
        if found >= wanted:
            break
        if found + size[product] <= most:
            away.add(product)
            found += size[product]
    return away
