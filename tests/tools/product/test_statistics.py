"""Intervals that mean what they say, on noise whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tools.product.statistics import interval_of, paired_ratio, ratio_noise, ratio_of_totals

TRIALS = 200


def noisy(random: np.random.Generator, middle: float, count: int, spread: float) -> list[float]:
    return [float(x) for x in middle * np.exp(random.normal(0, spread, count))]


@pytest.mark.parametrize("pairs", [5, 9])
@pytest.mark.parametrize("truth", [1.0, 3.0])
def test_a_paired_interval_covers_the_true_ratio(pairs: int, truth: float) -> None:
    random = np.random.default_rng(7)
    hits = 0
    for _ in range(TRIALS):
        before = [noisy(random, 10 * truth, pairs, 0.1) for _ in range(4)]
        after = [noisy(random, 10, pairs, 0.1) for _ in range(4)]
        found = paired_ratio(before, after, [1.0] * 4)
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / TRIALS <= 1


def test_an_unpaired_interval_covers_the_true_ratio() -> None:
    random = np.random.default_rng(8)
    hits = 0
    for _ in range(TRIALS):
        before = [noisy(random, 20, 9, 0.1), noisy(random, 5, 9, 0.1)]
        after = [noisy(random, 10, 9, 0.1), noisy(random, 5, 9, 0.1)]
        found = ratio_of_totals(before, after, [1.0, 1.0])
        hits += found.low <= 25 / 15 <= found.high
    assert hits / TRIALS >= 0.88


def test_a_slowdown_of_the_whole_machine_cancels_out() -> None:
    drift = [1, 1, 4, 9, 2, 7, 1]
    found = paired_ratio([[20.0 * d for d in drift]], [[10.0 * d for d in drift]], [1.0])
    assert found.mid == pytest.approx(2)
    assert found.high - found.low < 0.05


def test_constant_time_dilutes_a_gain() -> None:
    sides = ([[10.0] * 5], [[5.0] * 5], [1.0])
    assert paired_ratio(*sides).mid == pytest.approx(2)
    assert paired_ratio(*sides, constant=1000).mid == pytest.approx(1, abs=0.01)


def test_few_pairs_borrow_the_noise_of_others() -> None:
    quiet = paired_ratio([[10.0, 10.0]], [[10.0, 10.0]], [1.0])
    loud = paired_ratio([[10.0, 10.0]], [[10.0, 10.0]], [1.0], noise=[-0.5, 0.5, -0.4, 0.4])
    assert loud.high - loud.low > quiet.high - quiet.low


def test_one_pair_alone_is_never_sure() -> None:
    found = paired_ratio([[10.5]], [[10.0]], [1.0])
    assert found.low < 1 < found.high


def test_the_same_samples_give_the_same_interval() -> None:
    sides = ([[3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0]], [2.0])
    assert paired_ratio(*sides) == paired_ratio(*sides)
    assert interval_of([3.0, 1.0, 2.0]).mid == 2


def test_zero_times_don_t_divide_by_zero() -> None:
    found = paired_ratio([[0.0] * 5], [[0.0] * 5], [0.0])
    assert (found.low, found.mid, found.high) == (1, 1, 1)
    assert ratio_noise([0.0, 0.0], [0.0, 0.0]) == [0, 0]


@pytest.mark.parametrize(
    ("before", "after", "weights"),
    [([], [], []), ([[1.0]], [[]], [1.0]), ([[1.0]], [[1.0]], []), ([[1.0]], [], [1.0])],
)
def test_missing_samples_are_refused(
    before: list[list[float]], after: list[list[float]], weights: list[float]
) -> None:
    with pytest.raises(ValueError, match="samples|length"):
        paired_ratio(before, after, weights)
    with pytest.raises(ValueError, match="no samples"):
        interval_of([])
