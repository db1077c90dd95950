"""What a change that won its race is still refused for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tools.messages import Candidate, Interval, Rehearsal
from tools.product.measure import Pairing
from tools.product.measurement import ShadowSettings
from tools.product.workload import Windows
from tools.product.worth import dear, doubt, needless, refusal, trifle

MOST = ShadowSettings().max_insert_cost
LEAST_GAIN = ShadowSettings().min_gain
UNDONE = Rehearsal(ok=True, apply_ms=1.0, undo_ms=1.0, detail="equal")
SLOWER = "the workload becomes slower: ×0.520 (0.515 to 0.525), wanted above ×1.02"


def times(mid: float) -> Interval:
    return Interval(low=mid * 0.99, mid=mid, high=mid * 1.01)


@pytest.mark.parametrize(("gain", "cost"), [(1.06, 1.80), (1.11, 2.40), (1.01, 1.20)])
def test_a_small_gain_is_not_worth_much_slower_inserts(gain: float, cost: float) -> None:
    said = dear(times(gain), times(cost), 0, None)
    assert said == f"×{gain:.2f} is too little for inserts that take ×{cost:.2f} as long"


@pytest.mark.parametrize(("gain", "cost"), [(1.1, 1.80), (1.06, 1.10), (1.03, 1.005), (1.03, 0.9)])
def test_a_gain_in_proportion_to_its_price_is_offered(gain: float, cost: float) -> None:
    assert dear(times(gain), times(cost), 0, None) is None


@pytest.mark.parametrize("gain", [1.05, 9.0])
def test_recorded_writes_decide_whatever_the_two_ratios_are(gain: float) -> None:
    said = dear(times(gain), times(2.06), 2000, SLOWER)
    assert said == f"inserts take ×2.06 as long, and with 2,000 recorded writes {SLOWER}"
    assert dear(times(gain), times(2.06), 30, None) is None


def test_a_rule_is_not_refused_for_inserts_that_look_a_little_slower() -> None:
    assert dear(times(1.0), times(1.05), 0, None, neutral=True) is None
    told = "×1.00 is too little for inserts that take ×1.05 as long"
    assert dear(times(1.0), times(1.05), 0, None) == told
    said = dear(times(1.0), times(1.4), 0, None, neutral=True)
    assert said == "it gains nothing, and inserts take ×1.40 as long"


def test_inserts_that_are_not_surely_slower_are_held_against_nothing() -> None:
    unsure = Interval(low=0.98, mid=1.04, high=1.2)
    assert dear(times(1.05), unsure, 2000, SLOWER) is None
    assert dear(times(1.05), None, 2000, SLOWER) is None


@pytest.mark.parametrize(
    ("gain", "neutral", "said"),
    [
        (1.1, False, None), (1.025, False, "the gain is not clear"),
        (1.005, False, "the gain is too small"),
        (0.9, False, "the workload becomes slower"), (0.99, True, None),
        (0.9, True, "the workload becomes slower"),
    ],
)  # fmt: skip
def test_a_change_has_to_gain_and_a_neutral_one_not_to_lose(
    gain: float, neutral: bool, said: str | None
) -> None:
    found = doubt(times(gain), LEAST_GAIN, neutral)
    assert found is None if said is None else found is not None and found.startswith(said)


def test_inserts_past_the_allowed_price_are_refused_whatever_the_gain() -> None:
    said = refusal(MOST, UNDONE, times(50.0), True)
    assert said is not None and "allowed is" in said
    assert refusal(MOST, UNDONE, times(MOST / 2), True) is None


def test_what_cannot_be_undone_exactly_is_refused() -> None:
    spoilt = UNDONE.model_copy(update={"ok": False, "detail": "contents differ"})
    said = refusal(MOST, spoilt, None, True)
    assert said == "it cannot be undone exactly: contents differ"


def test_a_summary_that_drifts_is_refused() -> None:
    said = refusal(MOST, UNDONE, None, False)
    assert said is not None and "no longer agrees" in said


@pytest.mark.parametrize(
    ("kind", "gain", "cost", "writes", "pointless"),
    [
        ("drop_column", 1.0, 1.0, 9, True), ("drop_column", 1.0, 0.8, 9, False),
        ("drop_column", 1.2, 1.0, 9, False), ("drop_column", 1.0, None, 9, False),
        ("drop_column", 1.02, 1.0, 9, True), ("drop_column", 1.0, 0.8, 0, True),
        ("drop_column", 1.0, None, 0, True), ("drop_column", 1.2, 1.0, 0, False),
        ("drop_index", 1.0, 1.0, 0, False),
    ],
)  # fmt: skip
def test_a_column_goes_only_where_somebody_gains(
    kind: str, gain: float, cost: float | None, writes: int, pointless: bool
) -> None:
    change = SimpleNamespace(change=SimpleNamespace(kind=kind))
    price = None if cost is None else times(cost)
    said = needless(cast(Candidate, change), times(gain), price, writes, LEAST_GAIN)
    assert (said is not None) == pointless


@pytest.mark.parametrize(
    ("before", "after", "runs", "small"),
    [
        (0.50, 0.40, 300, True), (0.50, 0.40, 20_000, False), (5.0, 4.0, 1, False),
        (0.40, 0.50, 90_000, True),
    ],
)  # fmt: skip
def test_what_no_person_would_notice_is_not_worth_a_question(
    before: float, after: float, runs: float, small: bool
) -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", runs, 1.0, before=[before], after=[after])
    assert (trifle([pairing], None) is not None) == small


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (7, None), (30, None), (120, "it surely saves 0.10 ms a query, and about 0.50 s in a"
                                     " month of the recorded runs"),
    ],
)  # fmt: skip
def test_what_is_saved_counts_by_the_month_however_old_the_log_is(
    days: int, said: str | None
) -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", 20_000, 1.0, before=[0.5], after=[0.4])
    assert trifle([pairing], Windows(first="2026-01-01", days=1, count=days)) == said


def test_a_trifle_is_told_with_what_it_saves() -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", 300, 1.0, before=[0.5], after=[0.4])
    said = "it surely saves 0.10 ms a query, and about 0.03 s in all recorded runs"
    assert trifle([pairing], None) == said


def test_what_chance_may_have_saved_is_a_trifle() -> None:
    unsure, sure = (
        Pairing("f", "SELECT 1", "SELECT 1", 300, 1.0, before=before, after=[1.2] * 7)
        for before in ([1.6, 1.2, 1.6, 1.2, 1.6, 1.2, 1.6], [1.6] * 7)
    )
    unsaved = "it surely saves 0.00 ms a query, and about 0.12 s in all recorded runs"
    assert trifle([unsure], None) == unsaved
    assert trifle([unsure, sure], None) is None


def test_what_is_asked_no_more_saves_nothing() -> None:
    asked, ceased = (
        Pairing(
            "f", "SELECT 1", "SELECT 1", weight, 1.0, before=[before] * 7, after=[before / 2] * 7
        )
        for weight, before in ((300, 0.2), (0, 100.0))
    )
    said = "it surely saves 0.10 ms a query, and about 0.03 s in all recorded runs"
    assert trifle([asked, ceased], None) == said
