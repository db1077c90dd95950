"""What a change that won its race is still refused for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tools.messages import Candidate, Interval, Rehearsal
from tools.product.bench import INSERT_WORTH, InsertLimit
from tools.product.measure import Pairing
from tools.product.measurement import ShadowSettings
from tools.product.worth import needless, refusal, trifle

LIMIT = InsertLimit(ShadowSettings().max_insert_cost, INSERT_WORTH)
UNDONE = Rehearsal(ok=True, apply_ms=1.0, undo_ms=1.0, detail="equal")


def times(mid: float) -> Interval:
    return Interval(low=mid * 0.99, mid=mid, high=mid * 1.01)


@pytest.mark.parametrize(("gain", "cost"), [(1.06, 1.80), (1.11, 1.80), (1.02, 1.20)])
def test_a_small_gain_is_not_worth_much_slower_inserts(gain: float, cost: float) -> None:
    said = refusal(LIMIT, times(gain), UNDONE, times(cost), True)
    assert said == f"×{gain:.2f} is too little for inserts that take ×{cost:.2f} as long"


@pytest.mark.parametrize(("gain", "cost"), [(1.3, 1.80), (1.06, 1.10), (1.03, 1.005), (1.03, 0.9)])
def test_a_gain_in_proportion_to_its_price_is_offered(gain: float, cost: float) -> None:
    assert refusal(LIMIT, times(gain), UNDONE, times(cost), True) is None


def test_inserts_past_the_allowed_price_are_refused_whatever_the_gain() -> None:
    said = refusal(LIMIT, times(9.0), UNDONE, times(50.0), True)
    assert said is not None and "allowed is" in said


def test_what_cannot_be_undone_exactly_is_refused() -> None:
    spoilt = UNDONE.model_copy(update={"ok": False, "detail": "contents differ"})
    said = refusal(LIMIT, times(9.0), spoilt, None, True)
    assert said == "it cannot be undone exactly: contents differ"


def test_a_summary_that_drifts_is_refused() -> None:
    said = refusal(LIMIT, times(9.0), UNDONE, None, False)
    assert said is not None and "no longer agrees" in said


@pytest.mark.parametrize(
    ("kind", "gain", "cost", "pointless"),
    [
        ("drop_column", 1.0, 1.0, True), ("drop_column", 1.0, 0.8, False),
        ("drop_column", 1.2, 1.0, False), ("drop_column", 1.0, None, False),
        ("drop_index", 1.0, 1.0, False),
    ],
)  # fmt: skip
def test_a_column_goes_only_where_somebody_gains(
    kind: str, gain: float, cost: float | None, pointless: bool
) -> None:
    change = SimpleNamespace(change=SimpleNamespace(kind=kind))
    said = needless(cast(Candidate, change), times(gain), None if cost is None else times(cost))
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
    assert (trifle([pairing]) is not None) == small


def test_a_trifle_is_told_with_what_it_saves() -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", 300, 1.0, before=[0.5], after=[0.4])
    assert trifle([pairing]) == "it saves 0.10 ms a query and 0.03 s in all recorded runs"
