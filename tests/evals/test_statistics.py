from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.statistics import (
    RESAMPLES,
    SEED,
    difference,
    differs,
    gain,
    kappa,
    mean,
    median,
    ratio,
    share,
)


def test_wilson_gives_the_published_example() -> None:
    found = share(81, 263)
    assert found is not None
    # Newcombe 1998, table I, method 3.
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_inside_its_interval_and_that_inside_0_to_1(case: tuple[int, int]) -> None:
    found = share(*case)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_no_case_is_no_share() -> None:
    assert share(0, 0) is None
    assert mean([]) is None


def test_the_difference_gives_the_published_example() -> None:
    earlier, later = share(48, 80), share(56, 70)
    assert earlier and later
    found = difference(earlier, later)
    # Newcombe 1998, table II, method 10.
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_one_lucky_case_is_no_difference() -> None:
    earlier, later = share(3, 4), share(4, 4)
    assert earlier and later
    assert difference(earlier, later).low < 0


def test_a_gain_is_total_before_by_total_after() -> None:
    found = gain([[4.0, 2.0]] * 9, [[1.0, 2.0]] * 9)
    assert found.value == found.low == found.high == 2.0


def test_noise_widens_the_interval_of_a_gain() -> None:
    found = gain([[1.0], [2.0], [3.0]] * 3, [[2.0]] * 9)
    assert found.low < 1 < found.high


@pytest.mark.parametrize("turns", [1, 2, 9, 10, 57])
def test_the_interval_of_a_gain_is_that_of_medians_of_resampled_turns(turns: int) -> None:
    noise = np.random.default_rng(turns)
    # Rounded, so that some turns took equally long.
    old, new = (np.round(noise.random((turns, 3)) + 0.5, 1) for _ in range(2))
    drawn = np.random.default_rng(SEED).integers(0, turns, (RESAMPLES, turns))
    totals = [np.median(side[drawn], axis=1).sum(axis=1) for side in (old, new)]
    low, high = np.percentile(totals[0] / totals[1], [2.5, 97.5])
    found = gain(old.tolist(), new.tolist())
    assert (found.low, found.high, found.of) == (low, high, turns)


def test_a_ratio_is_of_sums_and_of_nothing_there_is_none() -> None:
    found = ratio([(4.0, 2.0), (2.0, 0.0)])
    assert found and (found.value, found.of) == (3.0, 2)
    assert ratio([]) is ratio([(1.0, 0.0)]) is None


def test_shares_that_chance_may_part_are_no_difference() -> None:
    apart = differs({"a": [True] * 12, "b": [False] * 12})
    near = differs({"a": [True, False] * 6, "b": [True] * 7 + [False] * 5})
    assert apart is not None and near is not None
    assert apart < 0.01 < 0.5 < near


def test_the_permutation_test_agrees_with_fishers_exact_one() -> None:
    # Fisher's tea: 3 of 4 against 1 of 4, two-sided 0.4857.
    found = differs({"a": [True] * 3 + [False], "b": [True] + [False] * 3})
    assert found == pytest.approx(0.4857, abs=0.03)


@pytest.mark.parametrize("cases", [{}, {"a": [True, False]}, {"a": [True], "b": [True], "c": []}])
def test_where_nothing_can_differ_nothing_is_tested(cases: dict[str, list[bool]]) -> None:
    assert differs(cases) is None


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(True, True), (False, False)], 1.0),
        ([(True, False), (False, True)], -1.0),
        ([(True, True), (True, False), (False, True), (False, False)], 0.0),
        ([(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10
         + [(False, False)] * 15, 0.4),
        ([(True, True)] * 3 + [(True, False)], 0.0),
        ([(True, True)], None),
        ([], None),
    ],
)  # fmt: skip
def test_kappa(pairs: list[tuple[bool, bool]], expected: float | None) -> None:
    assert kappa(pairs) == (None if expected is None else pytest.approx(expected))


def test_a_median_lies_inside_its_interval_and_of_nothing_there_is_none() -> None:
    assert median([]) is None
    found = median([float(n) for n in range(9)])
    assert found is not None
    assert (found.value, found.low, found.high, found.of) == (4.0, 1.0, 7.0, 9)
