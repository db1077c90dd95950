from __future__ import annotations

from evals.confidence import Point
from evals.pictures import FAR, calibration_picture, shares_picture
from evals.statistics import Estimate, share
from tests.factories import make_interval


def point(predicted: float, later: float) -> Point:
    found = Estimate(value=later, low=later * 0.9, high=later * 1.1, of=9)
    return Point("<b>", make_interval(predicted), found)


def test_a_picture_says_in_words_what_it_shows() -> None:
    drawn = calibration_picture([point(2.0, 2.0), point(5.0, 2.0)])
    assert "1 of 2 expected intervals hold" in drawn
    assert FAR in drawn and "×2" in drawn
    assert "<b>" not in drawn


def test_what_holds_is_not_drawn_as_a_miss() -> None:
    assert FAR not in calibration_picture([point(2.0, 2.0)])


def test_of_nothing_there_is_no_picture() -> None:
    assert calibration_picture([]) == shares_picture({}) == ""
    half = share(1, 2)
    assert half and "acceptance 50%" in shares_picture({"acceptance": half})
