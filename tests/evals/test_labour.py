from __future__ import annotations

import pytest

from evals.labour import KEYSTROKE, actions, actions_by_hand, seconds, seconds_by_hand
from evals.results import Effort
from tests.evals.factories import make_scenario


def effort(commands: int, improvements: int, characters: int = 0) -> Effort:
    return Effort(
        actions={"run": commands}, characters=characters, seconds=1.0, improvements=improvements
    )


def test_a_look_that_finds_nothing_counts_too() -> None:
    useful = make_scenario(with_pillion=effort(3, 2), by_hand=effort(20, 2))
    vain = make_scenario(with_pillion=effort(2, 0), by_hand=effort(11, 0))
    mine, other = actions([useful, vain]), actions_by_hand([useful, vain])
    assert mine and mine.value == 2.5
    assert other and other.value == 15.5


def test_typing_takes_its_time() -> None:
    scenario = make_scenario(with_pillion=effort(1, 1, 100), by_hand=effort(1, 1))
    mine, other = seconds([scenario]), seconds_by_hand([scenario])
    assert mine and mine.value == pytest.approx(1 + 100 * KEYSTROKE)
    assert other and other.value == 1


def test_no_improvement_or_no_measure_is_no_number() -> None:
    assert actions([make_scenario("good")]) is None
    vain = make_scenario(with_pillion=effort(2, 0), by_hand=effort(11, 1))
    assert actions([vain]) is None
