"""The growth benchmark tells linear from quadratic and varies literals, not structure."""

from __future__ import annotations

import random

import pytest

from evals.benchmarks.growth import _varied, exponent


@pytest.mark.parametrize(("power", "expected"), [(0.5, 0.5), (1, 1), (2, 2)])
def test_the_exponent_is_the_power(power: float, expected: float) -> None:
    sizes = (10, 100, 1_000)
    assert exponent(sizes, [0.001 * n**power for n in sizes]) == pytest.approx(expected)


def test_a_last_step_that_turns_steep_counts_though_the_fit_is_flat() -> None:
    assert exponent((10, 100, 1_000), [1.0, 1.0, 100.0]) == pytest.approx(2)


def test_only_literals_vary() -> None:
    sql = "SELECT n2.a FROM t n2 WHERE d < DATE '1995-03-15' AND q BETWEEN 1 AND 24"
    seen = {_varied(sql, random.Random(seed)) for seed in range(20)}
    assert len(seen) > 15
    assert all(text.startswith("SELECT n2.a FROM t n2 WHERE d < DATE '199") for text in seen)
