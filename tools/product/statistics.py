"""Medians, ratios and their bootstrap intervals: seeded, so that a re-run says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.messages import Interval

SEED = 20_261_124
RESAMPLES = 1000
ENOUGH = 5
"""From so many samples on, a query's own spread is trusted; below, the spread of all is pooled."""
UNKNOWN_SPREAD = 0.10
FLOOR = 0.003
"""Relative jitter that no amount of repetition removes: layout of memory, state of caches."""
FLOOR_MS = 0.01
"""The same in milliseconds: what is won on a query of a fraction of one is nobody's gain."""
Floats = NDArray[np.float64]


def interval_of(samples: Sequence[float]) -> Interval:
    """Return the median of `samples` with its 95 % interval."""
    values = np.asarray(samples, dtype=np.float64)
    if not len(values):
        raise ValueError("no samples")
    random = np.random.default_rng(SEED)
    return _interval(float(np.median(values)), _medians(random, values, len(values)))


def ratio_of_totals(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], weights: Sequence[float]
) -> Interval:
    """Return sum(weight x median before) / sum(weight x median after) with its 95 % interval.

    For runs that were not interleaved: before and after are resampled on their own.
    """
    _check(before, after, weights)
    random = np.random.default_rng(SEED)
    pools = [np.concatenate([_residuals(_logs(s)) for s in side]) for side in (before, after)]
    totals = []
    drawn = []
    for side, pool in zip((before, after), pools, strict=True):
        middles = [float(np.median(s)) for s in side]
        totals.append(sum(w * m for w, m in zip(weights, middles, strict=True)))
        spread = [np.exp(_spread(random, _logs(s), pool, _typical(s))) for s in side]
        drawn.append(
            sum(w * m * d for w, m, d in zip(weights, middles, spread, strict=True))
            + np.zeros(RESAMPLES)
        )
    return _quotient(totals[0], totals[1], drawn[0], drawn[1])


def paired_ratio(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    weights: Sequence[float],
    *,
    constant: float = 0.0,
    noise: Sequence[float] = (),
) -> Interval:
    """Return the total before / after of interleaved runs with its 95 % interval.

    The i-th run before and the i-th after ran side by side, so a query's ratio is the median of
    the pairs' ratios and whatever slows the whole machine cancels out. `constant` is the weighted
    time of everything that is the same on both sides; `noise` are log ratio residuals seen
    elsewhere, for queries with too few pairs of their own.
    """
    _check(before, after, weights)
    steps = paired_steps(before, after, noise=noise)
    return quotient(steps, weights, weights, constant)


@dataclass(frozen=True)
class Step:
    """What one query's log(before / after) is, and how far off that may be."""

    typical: float
    """Milliseconds, half way between before and after on the log scale."""
    middle: float
    drawn: Floats


def paired_steps(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    *,
    noise: Sequence[float] = (),
) -> list[Step]:
    """Return the step of each query of interleaved runs, resampled; see `paired_ratio`."""
    random = np.random.default_rng(SEED)
    logs = [_logs(b) - _logs(a) for b, a in zip(before, after, strict=True)]
    pool = np.concatenate([*map(_residuals, logs), np.asarray(noise, dtype=np.float64)])
    found = []
    for b, a, log in zip(before, after, logs, strict=True):
        typical = float(np.exp(np.median(_logs(b) + _logs(a)) / 2))
        middle = float(np.median(log))
        found.append(Step(typical, middle, middle + _spread(random, log, pool, typical)))
    return found


def quotient(
    steps: Sequence[Step],
    weights: Sequence[float],
    drawn_weights: Sequence[float | Floats],
    constant: float = 0.0,
    stray: float | Floats = 0.0,
) -> Interval:
    """Return the total before / after of steps whose weights may be drawn, too.

    `constant` is the weighted time of everything that is the same on both sides, `stray` how far
    the log of the total is off besides.
    """
    top = bottom = constant
    tops = np.full(RESAMPLES, constant, dtype=np.float64)
    bottoms = tops.copy()
    for step, weight, drawn in zip(steps, weights, drawn_weights, strict=True):
        top += weight * step.typical * float(np.exp(step.middle / 2))
        bottom += weight * step.typical * float(np.exp(-step.middle / 2))
        tops += drawn * step.typical * np.exp(step.drawn / 2)
        bottoms += drawn * step.typical * np.exp(-step.drawn / 2)
    return _quotient(top, bottom, tops * np.exp(stray), bottoms)


def ratio_noise(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Return how far the log ratios of single pairs stray from their median."""
    return [float(r) for r in _residuals(_logs(before) - _logs(after))]


def _check(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], weights: Sequence[float]
) -> None:
    if not len(before) == len(after) == len(weights):
        raise ValueError("before, after and weights differ in length")
    if not before or not all(before) or not all(after):
        raise ValueError("a query has no samples")


def _logs(samples: Sequence[float]) -> Floats:
    return np.asarray(np.log(np.maximum(np.asarray(samples, dtype=np.float64), 1e-6)))


def _residuals(logs: Floats) -> Floats:
    if len(logs) < 2:
        return np.empty(0)
    scale = np.sqrt(len(logs) / (len(logs) - 1))
    return np.asarray((logs - np.median(logs)) * scale, dtype=np.float64)


def _typical(samples: Sequence[float]) -> float:
    return float(np.exp(np.median(_logs(samples))))


def _spread(random: np.random.Generator, logs: Floats, pool: Floats, ms: float) -> Floats:
    """Draw how far the median of runs of about `ms` may be off, on the log scale."""
    jitter = random.normal(0, np.hypot(FLOOR, FLOOR_MS / max(ms, FLOOR_MS)), RESAMPLES)
    source = _residuals(logs) if len(logs) >= ENOUGH else pool
    if not len(source):
        return np.asarray(random.normal(0, UNKNOWN_SPREAD, RESAMPLES), dtype=np.float64)
    return np.asarray(_medians(random, source, len(logs)) + jitter, dtype=np.float64)


def _medians(random: np.random.Generator, source: Floats, count: int) -> Floats:
    picks = random.integers(0, len(source), (RESAMPLES, count))
    return np.asarray(np.median(source[picks], axis=1), dtype=np.float64)


def _quotient(top: float, bottom: float, tops: Floats, bottoms: Floats) -> Interval:
    if bottom <= 0:
        return Interval(low=1, mid=1, high=1)
    asked = bottoms > 0
    return _interval(top / bottom, tops[asked] / bottoms[asked])


def _interval(middle: float, draws: Floats) -> Interval:
    low, high = (float(x) for x in np.quantile(draws, [0.025, 0.975]))
    return Interval(low=min(low, middle), mid=middle, high=max(high, middle))
