"""Ways to learn from rows: scikit-learn fits them, plain numbers come out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tools.slm.judge import Linear, Tree, Trees

SEED = 20260401
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
FORESTS = ((40, 1), (80, 2), (120, 3))
"""Trees and their depth."""
RATE = 0.08


class Candidate(NamedTuple):
    """One way to learn, with its settings."""

    name: str
    fit: Callable[..., Linear | Trees]
    """Rows, answers and, where they differ, weights of the rows."""


def candidates() -> list[Candidate]:
    """Return the ways to learn that are compared."""
    linear = [Candidate(f"logistic, C={c}", partial(fit_linear, c)) for c in PENALTIES]
    trees = [Candidate(f"{n} trees of depth {d}", partial(fit_trees, n, d)) for n, d in FORESTS]
    return [*linear, *trees]


def fit_linear(penalty: float, x: Any, y: Any, weights: Any = None) -> Linear:
    """Fit a logistic regression on standardised columns (rows by features, one answer a row)."""
    means, spread = x.mean(axis=0), x.std(axis=0)
    scales = np.where(spread > 1e-9, spread, 1.0)
    with threadpool_limits(1):
        model = LogisticRegression(C=penalty, max_iter=2000)
        model.fit((x - means) / scales, y, weights)
    return Linear(
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(model.coef_[0].tolist()),
        intercept=float(model.intercept_[0]),
    )


def fit_trees(count: int, depth: int, x: Any, y: Any, weights: Any = None) -> Trees:
    """Fit boosted trees."""
    model = GradientBoostingClassifier(
        n_estimators=count, max_depth=depth, learning_rate=RATE, subsample=0.8,
        min_samples_leaf=5, random_state=SEED,
    ).fit(x, y, weights)  # fmt: skip
    share = float(np.clip(np.average(y, weights=weights), 1e-6, 1 - 1e-6))
    return Trees(
        trees=tuple(_tree(stage[0].tree_) for stage in model.estimators_),
        rate=RATE,
        intercept=float(np.log(share / (1 - share))),
    )


def _tree(grown: Any) -> Tree:
    return Tree(
        feature=tuple(grown.feature.tolist()),
        threshold=tuple(grown.threshold.tolist()),
        left=tuple(grown.children_left.tolist()),
        right=tuple(grown.children_right.tolist()),
        value=tuple(grown.value[:, 0, 0].tolist()),
    )


def calibrate(scores: Any, y: Any, steepest: float = math.inf) -> tuple[float, float]:
    """Return slope and offset that turn scores into log odds (Platt scaling), never downwards.

    Scores that are log odds already take 1 as the steepest: that they tell a few answers apart is
    no proof that they are too timid.
    """
    if np.ptp(scores) < 1e-9:
        share = (np.sum(y) + 1) / (len(y) + 2)
        return 0.0, float(np.log(share / (1 - share)))
    with threadpool_limits(1):
        fitted = LogisticRegression(C=1000.0).fit(np.asarray(scores)[:, None], y)
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        return calibrate(np.zeros(len(y)), y)
    if slope <= steepest:
        return slope, float(fitted.intercept_[0])
    return steepest, 0.0
