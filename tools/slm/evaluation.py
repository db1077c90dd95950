"""How good probabilities are on answers that nobody learned from, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from tools.estimates import Estimate, share
from tools.slm.dataset import Example
from tools.slm.judge import Judge

RESAMPLES = 1000
SEED = 20260401
CLUSTERS = 5
"""With so many products whole products are drawn: answers about one product are alike."""
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})
FAILURES = 8
Measured = tuple[Mapping[str, float], Mapping[str, Sequence[float]]]
"""Each metric, and the same on each bootstrap sample."""


class Failure(BaseModel):
    """A held-out answer that the judge got wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product: str
    kind: str
    approved: bool
    probability: float
    because: str
    facts: Mapping[str, float]


class Bin(BaseModel):
    """Held-out answers with about the same probability, and how many were approved."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    mean: float
    approved: Estimate


class Holding(BaseModel):
    """What the threshold does to the held-out answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: float
    rejected_held: Estimate | None
    """Of what was rejected, how much would not have been asked."""
    approved_held: Estimate | None
    """Of what was approved, how much would have been missed."""


class Evaluation(BaseModel):
    """One judge on held-out answers, beside rules and the judge that serves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    held_out: int
    learned_from: int
    by: str
    metrics: Mapping[str, Mapping[str, Estimate]]
    """By who predicts (`judge`, `rules`, `serving`), then by metric."""
    ahead: Mapping[str, Mapping[str, Estimate]]
    """By whom the judge is compared with: how much better it is; above 0 is better."""
    kinds: Mapping[str, Estimate]
    """Accuracy by kind of change."""
    bins: Sequence[Bin]
    bias: Mapping[str, Mapping[str, Estimate]]
    """Accuracy by size of the table and by how much is known of the product."""
    holding: Holding
    failures: Sequence[Failure]

    def beats(self, other: str) -> bool:
        """Return whether the Brier score is better with an interval that excludes 0."""
        found = self.ahead.get(other, {}).get("brier")
        return found is not None and found.low > 0


def auc(p: Any, y: Any) -> float:
    """Return how often an approved proposal stands above a rejected one; ties count half."""
    order, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = y.sum()
    negative = len(y) - positive
    if not (positive and negative):
        return float("nan")
    return float((ranks[y].sum() - positive * (positive + 1) / 2) / (positive * negative))


def log_loss(p: Any, y: Any) -> float:
    """Return the mean negative log likelihood."""
    kept = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-np.where(y, np.log(kept), np.log(1 - kept)).mean())


METRICS: Mapping[str, Callable[[Any, Any], float]] = {
    "auc": auc,
    "brier": lambda p, y: float(((p - y) ** 2).mean()),
    "accuracy": lambda p, y: float(((p >= 0.5) == y).mean()),
    "log_loss": log_loss,
}


def evaluate(
    judge: Judge,
    examples: Sequence[Example],
    others: Mapping[str, Sequence[float]],
    by: str,
) -> Evaluation:
    """Evaluate a judge on examples that it did not learn from.

    `others` holds the probabilities of whom it is compared with, in the order of the examples.
    """
    p = np.array([judge.probability(e.kind, e.facts, e.history) for e in examples])
    y = np.array([e.approved for e in examples])
    everyone = {"judge": p, **{name: np.asarray(q, dtype=float) for name, q in others.items()}}
    drawn = resampled([e.product for e in examples])
    values = {n: metrics_of(q, y) for n, q in everyone.items()}
    again = {n: redrawn(q, y, drawn) for n, q in everyone.items()}
    right = (p >= 0.5) == y
    return Evaluation(
        held_out=len(y),
        learned_from=judge.learned_from,
        by=by,
        metrics={n: estimates(values[n], again[n], len(y)) for n in everyone},
        ahead={
            n: ahead_of((values["judge"], again["judge"]), (values[n], again[n]), len(y))
            for n in everyone
            if n != "judge"
        },
        kinds=split_by([e.kind for e in examples], right),
        bins=_bins(p, y),
        bias={
            "rows": split_by([_size(e) for e in examples], right),
            "known": split_by([_known(e) for e in examples], right),
        },
        holding=_holding(judge, p, y),
        failures=_failures(judge, examples, p, right),
    )


def resampled(products: Sequence[str]) -> list[Any]:
    """Return positions of bootstrap samples: of whole products where there are enough."""
    rng = np.random.default_rng(SEED)
    groups: dict[str, list[int]] = defaultdict(list)
    for i, product in enumerate(products):
        groups[product].append(i)
    if len(groups) < CLUSTERS:
        return list(rng.integers(0, len(products), (RESAMPLES, len(products))))
    held = [np.array(g) for g in groups.values()]
    picks = rng.integers(0, len(held), (RESAMPLES, len(held)))
    return [np.concatenate([held[i] for i in pick]) for pick in picks]


def _interval(value: float, drawn: Sequence[float], of: int) -> Estimate | None:
    known = np.asarray([d for d in drawn if d == d])
    if value != value or not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high), of=of)


def metrics_of(p: Any, y: Any) -> dict[str, float]:
    """Return each metric of probabilities."""
    return {m: f(p, y) for m, f in METRICS.items()}


def redrawn(p: Any, y: Any, drawn: Sequence[Any]) -> dict[str, list[float]]:
    """Return each metric on each bootstrap sample."""
    return {m: [f(p[d], y[d]) for d in drawn] for m, f in METRICS.items()}


def estimates(
    values: Mapping[str, float], again: Mapping[str, Sequence[float]], of: int
) -> dict[str, Estimate]:
    """Return each metric with its interval; one that cannot be said is left out."""
    found = {m: _interval(values[m], again[m], of) for m in values}
    return {m: e for m, e in found.items() if e is not None}


def ahead_of(one: Measured, other: Measured, of: int) -> dict[str, Estimate]:
    """Return by how much one is better than the other in each metric; above 0 is better."""
    sign = {m: -1.0 if m in LOWER_IS_BETTER else 1.0 for m in METRICS}
    moved = {m: sign[m] * (one[0][m] - other[0][m]) for m in METRICS}
    drawn = {
        m: [sign[m] * (a - b) for a, b in zip(one[1][m], other[1][m], strict=True)] for m in METRICS
    }
    return estimates(moved, drawn, of)


def split_by(names: Sequence[str], right: Any) -> dict[str, Estimate]:
    """Return the share of what is right, by name."""
    cases: dict[str, list[bool]] = defaultdict(list)
    for name, ok in zip(names, right, strict=True):
        cases[name].append(bool(ok))
    found = {name: share(sum(c), len(c)) for name, c in sorted(cases.items())}
    return {name: e for name, e in found.items() if e is not None}


def _size(example: Example) -> str:
    rows = np.expm1(example.facts.rows)
    return "under 100,000 rows" if rows < 100_000 else "100,000 rows and more"


def _known(example: Example) -> str:
    return "first answers of a product" if example.history.answered < 5 else "later answers"


def _bins(p: Any, y: Any) -> list[Bin]:
    found = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = (p >= low) & ((p < high) | (high == 1.0))
        approved = share(int(y[inside].sum()), int(inside.sum()))
        if approved is not None:
            mean = float(p[inside].mean())
            found.append(Bin(low=low, high=high, mean=mean, approved=approved))
    return found


def _holding(judge: Judge, p: Any, y: Any) -> Holding:
    held = p < judge.threshold
    return Holding(
        threshold=judge.threshold,
        rejected_held=share(int((held & ~y).sum()), int((~y).sum())),
        approved_held=share(int((held & y).sum()), int(y.sum())),
    )


def _failures(judge: Judge, examples: Sequence[Example], p: Any, right: Any) -> list[Failure]:
    """Return the worst mistakes, the most certain first."""
    wrong = sorted((i for i in range(len(p)) if not right[i]), key=lambda i: -abs(p[i] - 0.5))
    return [
        Failure(
            product=e.product, kind=e.kind, approved=e.approved, probability=float(p[i]),
            because=judge.against(e.kind, e.facts, e.history),
            facts=e.facts.model_dump(include={"gain", "certain_gain", "insert_cost", "growth"}),
        )
        for i in wrong[:FAILURES]
        for e in [examples[i]]
    ]  # fmt: skip
