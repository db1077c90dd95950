"""The judge as it serves: numbers in a JSON file, a probability and its reason out of them.

It needs no library that was used to train it, and its file can hold nothing that runs.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from tools.messages import Message
from tools.numbers import counted, share
from tools.slm.facts import Facts
from tools.slm.features import NAMES, History, clipped, row_of

REASONS = 2
"""Reasons that are told; more than two nobody reads."""
ABOUT = {
    "gain": ("gain", "certain_gain", "spread", "winning"),
    "inserts": ("insert_cost", "insert_bound"),
    "space": ("growth",),
    "losers": ("losing", "worst"),
    "contract": ("warnings", "notes"),
    "table": ("rows", "size", "queries", "apply"),
    "safety": ("rehearsed", "equal", "risks", "affects"),
    "before": ("again", "given"),
}
"""Facts that are about the same thing."""


class Opinion(NamedTuple):
    """How likely a person is to approve."""

    probability: float
    held: bool
    """Whether it lies under the judge's threshold."""
    because: str
    """What speaks against it most, where it is held back."""


class Linear(Message):
    """A weighted sum of standardised features."""

    form: Literal["logistic"] = "logistic"
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {len(self.means), len(self.scales), len(self.weights)} != {len(NAMES)}:
            raise ValueError(f"a judge of this version weighs {len(NAMES)} features")
        if min(self.scales) <= 0:
            raise ValueError("a scale is not above 0")
        return self

    def score(self, row: list[float]) -> float:
        """Return the log odds, before calibration."""
        parts = zip(row, self.means, self.scales, self.weights, strict=True)
        return self.intercept + sum((x - m) / s * w for x, m, s, w in parts)


class Tree(Message):
    """One decision tree; node 0 is the root, and a leaf's `left` is -1."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    @model_validator(mode="after")
    def _ends(self) -> Self:
        size = len(self.value)
        columns = (self.feature, self.threshold, self.left, self.right)
        if not size or any(len(c) != size for c in columns):
            raise ValueError("a tree's columns differ in length")
        for at, (feature, left, right) in enumerate(
            zip(self.feature, self.left, self.right, strict=True)
        ):
            inner = left >= 0
            # Children come after their parent, so that every walk ends.
            if inner and not (at < left < size and at < right < size and 0 <= feature < len(NAMES)):
                raise ValueError("a tree leads nowhere")
        return self

    def leaf(self, row: array[float]) -> float:
        """Return the value of the leaf that a row falls into."""
        at = 0
        while self.left[at] >= 0:
            lower = row[self.feature[at]] <= self.threshold[at]
            at = self.left[at] if lower else self.right[at]
        return self.value[at]


class Trees(Message):
    """A sum of small trees."""

    form: Literal["trees"] = "trees"
    trees: tuple[Tree, ...]
    rate: float
    intercept: float

    def score(self, row: list[float]) -> float:
        """Return the log odds, before calibration."""
        # The trees were grown on single precision.
        rounded = array("f", row)
        return self.intercept + self.rate * sum(tree.leaf(rounded) for tree in self.trees)


class Judge(Message):
    """A trained judge: its model, calibration and threshold, and what it learned from."""

    format: Literal[1] = 1
    model: Annotated[Linear | Trees, Field(discriminator="form")]
    slope: float
    offset: float
    """Calibration: the probability is the logistic of slope * score + offset."""
    threshold: Annotated[float, Field(ge=0, le=1)]
    """Below it a proposal is held back."""
    typical: Facts
    """Medians of what was approved: what a proposal is compared with to say why."""
    dataset: str
    """Digest of the decisions that it learned from."""
    learned_from: Annotated[int, Field(gt=0)]

    def probability(self, kind: str, facts: Facts, history: History) -> float:
        """Return how likely a person is to approve.

        It is never nearer to 0 or 1 than so many answers can show (Laplace's rule of succession).
        """
        score = self.slope * self.model.score(row_of(kind, facts, history)) + self.offset
        surest = 1 / (self.learned_from + 2)
        return min(1 - surest, max(surest, 1 / (1 + math.exp(-clipped(score)))))

    def opinion(self, kind: str, facts: Facts, history: History) -> Opinion:
        """Return the probability, whether it is held back, and then why."""
        p = self.probability(kind, facts, history)
        held = p < self.threshold
        return Opinion(p, held, self.against(kind, facts, history) if held else "")

    def against(self, kind: str, facts: Facts, history: History) -> str:
        """Say what would raise the probability most if it were as usual among the approved."""
        return "; ".join(self._against(kind, facts, history))

    def _against(self, kind: str, facts: Facts, history: History) -> Iterator[str]:
        p = self.probability(kind, facts, history)
        raised = {}
        for about, names in ABOUT.items():
            usual = {name: getattr(self.typical, name) for name in names}
            raised[about] = self.probability(kind, facts.model_copy(update=usual), history) - p
        neither = self.probability("", facts, History()) - p
        raised["kind"] = neither
        worst = sorted(raised, key=lambda about: -raised[about])[:REASONS]
        for about in worst:
            if raised[about] > 0.01:
                yield _words(about, kind, facts, history)


def _words(about: str, kind: str, facts: Facts, history: History) -> str:
    match about:
        case "gain":
            return f"the gain is {_times(facts.gain)} (at least {_times(facts.certain_gain)})"
        case "inserts":
            return f"inserts take {_times(facts.insert_cost)} as long"
        case "space":
            return f"the product takes {_times(facts.growth)} the space"
        case "losers":
            return f"queries that are {share(facts.losing)} of the workload get slower"
        case "contract":
            found = f"{counted(facts.warnings, 'warning')} and {counted(facts.notes, 'note')}"
            return f"the contract has {found} on it"
        case "table":
            return f"the table has {counted(round(math.expm1(clipped(facts.rows))), 'row')}"
        case "safety":
            return ", ".join(_dangers(facts))
        case "before":
            on = counted(facts.given, "other proposal") if facts.given else "no other proposal"
            return "it was refused before" if facts.again else f"it builds on {on}"
    told = f"{history.kind_approved} of {history.kind_answered}"
    return f"of its kind, {kind}, {told} were approved here"


def _dangers(facts: Facts) -> Iterator[str]:
    if not facts.equal:
        yield "it changes results"
    if not facts.rehearsed:
        yield "its undo was not rehearsed"
    risks, others = counted(facts.risks, "risk"), counted(facts.affects, "other product")
    yield f"it states {risks} and touches {others}"


def _times(log: float) -> str:
    return f"×{math.exp(clipped(log)):.2f}"
