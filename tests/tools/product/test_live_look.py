"""Looks at live: what is late, fails with a change, or fails anyway."""

from __future__ import annotations

import pytest

from tools.product.counterproof import Turns
from tools.product.live import Timings
from tools.product.live_look import Look

A, B = "SELECT 1", "SELECT 2"
LATE = [1000.0] * 3
QUICK = [10.0] * 9


def by_turns(without: Timings, changed: Timings) -> Look:
    return Look.by_turns((A, B), Turns(without, changed), {}, 1.0)


@pytest.mark.parametrize(
    ("after", "clear"),
    [
        (Timings({A: QUICK, B: QUICK}), True),
        (Timings({A: QUICK}, {B: "no"}), False),
        (Timings({A: [0.01] * 9, B: LATE}), False),
        (Timings({A: QUICK, B: [*LATE, 10.0]}, {B: "once"}), False),
    ],
)
def test_only_what_is_whole_and_no_slower_is_clear(after: Timings, clear: bool) -> None:
    look = Look.after({A: QUICK, B: QUICK}, after, {}, 1.0)
    assert (look.clear(0.9), look.broken) == (clear, "")


def test_what_fails_after_a_change_is_told_but_not_blamed_on_it() -> None:
    look = Look.after({A: QUICK, B: QUICK}, Timings({A: QUICK}, {B: "gone"}), {}, 1.0)
    assert look.untold == '"SELECT 2" fails now, and no copy told whether for it: gone'
    assert look.detail == "1 query timed on live: ×1.00"


def test_what_was_answered_once_does_not_fail() -> None:
    look = Look.after({A: QUICK}, Timings({A: QUICK}, {A: "once"}), {}, 1.0)
    assert (look.failing, look.untold, look.clear(0.9)) == ({}, "", True)


def test_what_fails_on_one_side_only_is_broken() -> None:
    look = by_turns(Timings({A: QUICK}), Timings({A: QUICK}, {B: "gone"}))
    assert look.broken == '"SELECT 2" fails with it and not without it: gone'
    assert (look.lost, look.decided(0.9)) == (False, True)


def test_what_fails_on_both_sides_is_told_and_counts_nothing() -> None:
    look = by_turns(Timings({A: QUICK}, {B: "gone"}), Timings({A: QUICK}, {B: "gone"}))
    assert (look.broken, look.untold, look.lost) == ("", "", False)
    assert look.detail == (
        "1 query timed on live: ×1.00, by turns on copies with and without the change;"
        ' "SELECT 2" fails without the change, too: gone'
    )


@pytest.mark.parametrize("failed", [{}, {B: "no room"}])
def test_what_only_the_copy_cannot_answer_spoils_the_look(failed: dict[str, str]) -> None:
    assert by_turns(Timings({A: QUICK}, failed), Timings({A: QUICK})).lost


def test_what_is_late_with_the_change_counts_and_cannot_prove_a_gain() -> None:
    lost = by_turns(Timings({A: QUICK, B: [100.0] * 3}), Timings({A: QUICK, B: LATE}))
    assert lost.ratio is not None and lost.ratio.high < 0.9
    hidden = by_turns(Timings({A: LATE, B: [900.0] * 3}), Timings({A: [1.0] * 3, B: LATE}))
    assert hidden.ratio is not None and hidden.ratio.low > 1
    assert hidden.untold == '"SELECT 2" took more than 1 s each time with it'


def test_what_is_late_on_both_sides_counts_nothing_and_is_told() -> None:
    look = by_turns(Timings({A: QUICK, B: LATE}), Timings({A: QUICK, B: LATE}))
    assert [q.sql for q in look.timings] == [A]
    assert look.untold == '"SELECT 2" took more than 1 s each time with and without it'
