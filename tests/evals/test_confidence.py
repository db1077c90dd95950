from __future__ import annotations

import pytest

from evals.confidence import covered, held, measured_width, optimism, overlapping, points, width
from evals.oracle.case import Judgement
from evals.results import Judged
from evals.statistics import Estimate
from tests.evals.factories import make_judged, make_scenario
from tests.factories import make_interval
from tools.messages import Interval


def measured(predicted: float, later: float, spread: float = 0.2, wide: float = 0) -> Judged:
    gain = Estimate(value=later, low=later * (1 - spread), high=later * (1 + spread), of=9)
    judgement = Judgement(verdict="good", reason="planted", reads=gain)
    expected = make_interval(predicted, wide) if wide else None
    return make_judged(predicted=make_interval(predicted), expected=expected, judgement=judgement)


def test_an_interval_is_right_when_it_holds_the_later_gain() -> None:
    scenario = make_scenario(proposals=(measured(2.0, 2.05), measured(2.0, 2.3)))
    right, met = covered([scenario]), overlapping([scenario])
    assert right and (right.count, right.of) == (1, 2)
    assert met and met.count == 2


def test_an_interval_holds_what_lies_at_its_ends() -> None:
    touched = Interval(low=2.0, mid=2.5, high=3.0)
    later = Estimate(value=2.0, low=2.0, high=2.0, of=9)
    for value in (2.0, 3.0):
        ends = later.model_copy(update={"value": value, "low": value, "high": value})
        judgement = Judgement(verdict="good", reason="planted", reads=ends)
        judged = make_judged(predicted=touched, expected=touched, judgement=judgement)
        scenario = make_scenario(proposals=(judged,))
        for share in (held([scenario]), covered([scenario]), overlapping([scenario])):
            assert share and share.count == 1


def test_optimism_is_the_mean_factor_between_the_two() -> None:
    found = optimism([make_scenario(proposals=(measured(4.0, 2.0), measured(1.0, 2.0)))])
    assert found and found.value == pytest.approx(1.0)
    promised = optimism([make_scenario(proposals=(measured(4.0, 2.0),))])
    assert promised and promised.value == pytest.approx(2.0)


def test_what_was_expected_is_judged_beside_what_was_measured_with_its_width() -> None:
    found = (measured(2.0, 2.3, wide=0.2), measured(2.0, 2.6, wide=0.2), measured(2.0, 2.0))
    scenario = make_scenario(proposals=found)
    right, wide, narrow = held([scenario]), width([scenario]), measured_width([scenario])
    assert right and (right.count, right.of) == (1, 2)
    assert wide and wide.value == pytest.approx(1.2 / 0.8)
    assert narrow and narrow.value == pytest.approx(1.05 / 0.95) and narrow.of == 3
    assert [p.holds for p in points([scenario])] == [True, False, True]


def test_what_only_one_side_measured_is_left_out() -> None:
    assert list(points([make_scenario("good")])) == []
    assert covered([]) is optimism([]) is held([]) is width([]) is None
