"""Intervals and agreement for small samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tools.estimates import Estimate, share, share_of

__all__ = [
    "Difference", "Estimate", "difference", "differs", "gain", "kappa", "mean", "median", "ratio",
    "share", "share_of", "shares",
]  # fmt: skip

RESAMPLES = 2000
SEED = 20260301


class Difference(NamedTuple):
    """How much larger a later share is than an earlier one, with its 95 % interval."""

    value: float
    low: float
    high: float


def shares(buckets: Mapping[str, Sequence[bool]]) -> dict[str, Estimate]:
    """Return the share of each bucket that has a case, by name."""
    found = {name: share_of(cases) for name, cases in sorted(buckets.items())}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def difference(earlier: Estimate, later: Estimate) -> Difference:
    """Return the difference of two shares with the hybrid score interval.

    Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10.
    """
    moved = later.value - earlier.value
    down = math.hypot(later.value - later.low, earlier.high - earlier.value)
    up = math.hypot(later.high - later.value, earlier.value - earlier.low)
    return Difference(moved, moved - down, moved + up)


def mean(values: Sequence[float]) -> Estimate | None:
    """Return a mean with its percentile bootstrap interval, or None where there is no value."""
    if not values:
        return None
    found = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(SEED).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.percentile(found[drawn].mean(axis=1), [2.5, 97.5])
    return Estimate(value=float(found.mean()), low=float(low), high=float(high), of=len(found))


def median(values: Sequence[float]) -> Estimate | None:
    """Return a median with its percentile bootstrap interval, or None where there is no value."""
    if not values:
        return None
    found = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(SEED).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.percentile(np.median(found[drawn], axis=1), [2.5, 97.5])
    return Estimate(value=float(np.median(found)), low=float(low), high=float(high), of=len(found))


def ratio(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Return the sum of the first / the sum of the second, or None where that is 0; over pairs."""
    found = np.asarray(pairs, dtype=float).reshape(-1, 2)
    total = found.sum(axis=0)
    if not len(found) or total[1] == 0:
        return None
    drawn = np.random.default_rng(SEED).integers(0, len(found), (RESAMPLES, len(found)))
    sums = found[drawn].sum(axis=1)
    ratios = sums[:, 0][sums[:, 1] > 0] / sums[:, 1][sums[:, 1] > 0]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Estimate(
        value=float(total[0] / total[1]), low=float(low), high=float(high), of=len(found)
    )


def differs(buckets: Mapping[str, Sequence[bool]]) -> float | None:
    """Return how likely shares lie as far apart by chance, or None where nothing can differ.

    A permutation test of Pearson's chi-squared: it holds for any number of cases.
    """
    sizes = [len(cases) for cases in buckets.values() if cases]
    found = np.asarray([case for cases in buckets.values() for case in cases], dtype=float)
    if len(sizes) < 2 or found.min() == found.max():
        return None
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    drawn = np.random.default_rng(SEED).permuted(np.tile(found, (RESAMPLES, 1)), axis=1)
    apart = _apart(drawn, starts, np.asarray(sizes))
    seen = _apart(found[None, :], starts, np.asarray(sizes))[0]
    return float((1 + (apart >= seen - 1e-12).sum()) / (1 + RESAMPLES))


def _apart(cases: Any, starts: Any, sizes: Any) -> Any:
    """Return the weighted squares of how far each bucket's share lies from the whole's."""
    shares = np.add.reduceat(cases, starts, axis=1) / sizes
    return (sizes * (shares - cases.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)


def gain(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> Estimate:
    """Return total time before / after of one column a query, one row a turn, over turns.

    Turns are resampled whole: what disturbed one query disturbed its neighbours.
    """
    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    turns = len(old)
    drawn = np.random.default_rng(SEED).integers(0, turns, (RESAMPLES, turns))
    totals = _medians(old, drawn).sum(axis=1), _medians(new, drawn).sum(axis=1)
    ratios = totals[0] / np.maximum(totals[1], 1e-12)
    low, high = np.percentile(ratios, [2.5, 97.5])
    value = float(np.median(old, axis=0).sum() / max(np.median(new, axis=0).sum(), 1e-12))
    return Estimate(value=value, low=float(low), high=float(high), of=turns)


def _medians(found: Any, drawn: Any) -> Any:
    """Return each column's median over the rows that are drawn, one line a draw.

    How often each row is drawn is counted once for all columns: a median is the first value, from
    the least on, by which half of the draws are reached.
    """
    draws, rows = drawn.shape
    places = drawn + np.arange(draws)[:, None] * rows
    counts = np.bincount(places.ravel(), minlength=draws * rows).reshape(draws, rows)
    times = np.ascontiguousarray(counts.T, dtype=np.int32)
    medians = []
    for column in found.T:
        order = np.argsort(column)
        reached = np.cumsum(times[order], axis=0, dtype=np.int32)
        middle = [(reached <= at).sum(axis=0) for at in ((rows - 1) // 2, rows // 2)]
        medians.append(column[order][middle].mean(axis=0))
    return np.stack(medians, axis=1)


def kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two judges, or None where chance alone decides.

    Cohen, Educational and Psychological Measurement 20 (1960), 37-46.
    """
    if not pairs:
        return None
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    yes, other = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    chance = yes * other + (1 - yes) * (1 - other)
    return None if chance == 1 else (agreed - chance) / (1 - chance)
