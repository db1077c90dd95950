"""What to expect of a change: the measured gain on a workload that varies as it did before.

The measured interval says how well one measurement is repeated on the workload as it was recorded.
Three things move what comes after it, and nothing more is measured for them:

- how often each query is asked. Stretches of the recorded time are drawn with replacement (circular
  block bootstrap; Politis and Romano, in LePage and Billard, Exploring the Limits of Bootstrap,
  1992, 263-270), the same for all queries, so what was asked together stays together; beyond it
  each query may be asked more or less often than the log could show.
- the run. Another process, another hour and other rows give another ratio, the more so the larger
  it is.
- what is measured with noise, as in the measured interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.messages import Expected
from tools.numbers import counted
from tools.product.statistics import RESAMPLES, SEED, Floats, Step, quotient
from tools.product.workload import QueryPattern, Windows

RUN_STRAY = 0.025
"""How far the log of the workload's ratio strays from one run to another (standard deviation).

Found on dev seeds, as the next; see decision 20."""
RUN_PART = 0.12
"""The same of one query's ratio, as a part of its log."""
UNSEEN = 0.2
"""How far the log of a query's number of runs moves from month to month beyond what a log shows."""
UNKNOWN = 0.5
"""The same where the log shows nothing."""
FEWEST_WINDOWS = 7
"""Days of a log that say something of the days after it: all of a week."""


class Asked(NamedTuple):
    """One query: how it is asked, and its step."""

    pattern: QueryPattern
    step: Step
    """`steady` where the change leaves it alone."""


def steady(ms: float) -> Step:
    """Return the step of a query that a change leaves alone."""
    return Step(ms, 0.0, np.zeros(RESAMPLES))


def expected(queries: Sequence[Asked], windows: Windows | None) -> Expected:
    """Return the 95 % interval of the workload's gain in a time as long as the recorded one."""
    random = np.random.default_rng(SEED)
    weights = [float(q.pattern.weight) for q in queries]
    if not any(q.pattern.windows for q in queries):
        # What has times may be writes, or queries that could not be measured.
        windows = None
    told = windows is not None and windows.count >= FEWEST_WINDOWS
    times = _times_asked(random, queries) if told else np.ones((RESAMPLES, len(queries)))
    spread = UNSEEN if told else UNKNOWN
    moved = np.exp(random.normal(0, spread, times.shape)) * times
    again, whole = random.standard_normal((2, RESAMPLES))
    found = quotient(
        [_again(q.step, again) for q in queries],
        weights,
        [weight * moved[:, at] for at, weight in enumerate(weights)],
        stray=RUN_STRAY * whole,
    )
    return Expected(ratio=found, days=_days(windows), note=_note(windows))


def _again(step: Step, normal: Floats) -> Step:
    """Add what another run would measure otherwise: what moves one query moves all alike."""
    return Step(step.typical, step.middle, step.drawn + RUN_PART * step.middle * normal)


def _times_asked(random: np.random.Generator, queries: Sequence[Asked]) -> Floats:
    """Return how often each query is asked in drawn times, as a part of how often it was."""
    count = max(len(q.pattern.windows) for q in queries)
    runs = np.array([q.pattern.windows or (1,) * count for q in queries], dtype=np.float64)
    length = round(count**0.5)
    starts = random.integers(0, count, (RESAMPLES, -(-count // length)))
    picks = ((starts[:, :, None] + np.arange(length)) % count).reshape(RESAMPLES, -1)[:, :count]
    drawn = np.stack([np.bincount(p, minlength=count) for p in picks]).astype(np.float64)
    return np.asarray(drawn @ (runs / np.maximum(runs.sum(axis=1, keepdims=True), 1)).T)


def _days(windows: Windows | None) -> int:
    return windows.days * windows.count if windows else 0


def _note(windows: Windows | None) -> str:
    if windows is None:
        return "the recorded runs have no times, so how the workload varies is unknown"
    if windows.count < FEWEST_WINDOWS:
        span = counted(_days(windows), "day")
        return f"the runs of {span} do not show how the workload varies"
    return ""
