"""What a change that won its race is still refused for."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.messages import Interval, Rehearsal
from tools.product import trial
from tools.product.bench import INSERT_WORTH, Bench, InsertLimit
from tools.product.measure import Pairing
from tools.product.measurement import ShadowSettings
from tools.product.trial import ROUNDS, Attempt, _needless, _refusal, _sample, _trifle

LIMIT = InsertLimit(ShadowSettings().max_insert_cost, INSERT_WORTH)
UNDONE = Rehearsal(ok=True, apply_ms=1.0, undo_ms=1.0, detail="equal")


def times(mid: float) -> Interval:
    return Interval(low=mid * 0.99, mid=mid, high=mid * 1.01)


@pytest.mark.parametrize(("gain", "cost"), [(1.06, 1.80), (1.11, 1.80), (1.02, 1.20)])
def test_a_small_gain_is_not_worth_much_slower_inserts(gain: float, cost: float) -> None:
    said = _refusal(LIMIT, times(gain), UNDONE, times(cost), True)
    assert said == f"×{gain:.2f} is too little for inserts that take ×{cost:.2f} as long"


@pytest.mark.parametrize(("gain", "cost"), [(1.3, 1.80), (1.06, 1.10), (1.03, 1.005), (1.03, 0.9)])
def test_a_gain_in_proportion_to_its_price_is_offered(gain: float, cost: float) -> None:
    assert _refusal(LIMIT, times(gain), UNDONE, times(cost), True) is None


def test_inserts_past_the_allowed_price_are_refused_whatever_the_gain() -> None:
    said = _refusal(LIMIT, times(9.0), UNDONE, times(50.0), True)
    assert said is not None and "allowed is" in said


def test_what_cannot_be_undone_exactly_is_refused() -> None:
    spoilt = UNDONE.model_copy(update={"ok": False, "detail": "contents differ"})
    said = _refusal(LIMIT, times(9.0), spoilt, None, True)
    assert said == "it cannot be undone exactly: contents differ"


def test_a_summary_that_drifts_is_refused() -> None:
    said = _refusal(LIMIT, times(9.0), UNDONE, None, False)
    assert said is not None and "no longer agrees" in said


@pytest.mark.parametrize(
    ("kind", "gain", "cost", "needless"),
    [
        ("drop_column", 1.0, 1.0, True), ("drop_column", 1.0, 0.8, False),
        ("drop_column", 1.2, 1.0, False), ("drop_column", 1.0, None, False),
        ("drop_index", 1.0, 1.0, False),
    ],
)  # fmt: skip
def test_a_column_goes_only_where_somebody_gains(
    kind: str, gain: float, cost: float | None, needless: bool
) -> None:
    change = SimpleNamespace(candidate=SimpleNamespace(change=SimpleNamespace(kind=kind)))
    said = _needless(cast(Attempt, change), times(gain), None if cost is None else times(cost))
    assert (said is not None) == needless


@pytest.mark.parametrize(
    ("before", "after", "runs", "trifle"),
    [
        (0.50, 0.40, 300, True), (0.50, 0.40, 20_000, False), (5.0, 4.0, 1, False),
        (0.40, 0.50, 90_000, True),
    ],
)  # fmt: skip
def test_what_no_person_would_notice_is_not_worth_a_question(
    before: float, after: float, runs: float, trifle: bool
) -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", runs, 1.0, before=[before], after=[after])
    assert (_trifle([pairing]) is not None) == trifle


def test_a_trifle_is_told_with_what_it_saves() -> None:
    pairing = Pairing("f", "SELECT 1", "SELECT 1", 300, 1.0, before=[0.5], after=[0.4])
    assert _trifle([pairing]) == "it saves 0.10 ms a query and 0.03 s in all recorded runs"


def raced(monkeypatch: pytest.MonkeyPatch, later_ms: float) -> tuple[str, str, int]:
    """Race two queries: one gets fast, the other looks slow at first and takes `later_ms` after."""
    query = SimpleNamespace(
        pattern=SimpleNamespace(sql="SELECT 1", runs=1, callers=()), weighted=10.0, row_groups=None
    )
    job = SimpleNamespace(settings=ShadowSettings(max_loser_share=0.25))
    bench = SimpleNamespace(
        job=job, base=None, watchdog=None, noise=[], total=20.0, queries={"a": query, "b": query},
        constant=lambda _: 0.0,
    )  # fmt: skip
    pairings = [Pairing(f, "SELECT 1", "SELECT 1", 1.0, 1.0) for f in ("a", "b")]
    attempt = SimpleNamespace(
        neutral=False, con=None, until=float("inf"), pairings=pairings, troubles={}, row_groups={}
    )

    def run_round(*_: Any) -> None:
        turn = len(pairings[0].before)
        slow = 13.0 if turn < ROUNDS else later_ms
        for pairing, ms in zip(pairings, (2.0, slow), strict=True):
            pairing.before.append(10.0 + 0.02 * (turn % 3))
            pairing.after.append(ms)

    monkeypatch.setattr(trial, "run_round", run_round)
    status, reason = _sample(cast(Bench, bench), cast(Attempt, attempt), lambda _: None)
    return status, reason, len(pairings[0].before)


def test_losers_that_decide_about_a_winner_are_raced_until_the_last_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = ShadowSettings().repetitions
    status, _, rounds = raced(monkeypatch, later_ms=10.0)
    assert status == "accepted" and ROUNDS < rounds <= last
    status, reason, rounds = raced(monkeypatch, later_ms=13.0)
    assert (status, rounds) == ("rejected", last)
    assert reason == "1 query with 50% of the time becomes slower"


@pytest.mark.parametrize(
    ("low", "mid", "rounds"),
    [(1.03, 1.06, 3), (1.015, 1.06, 27), (1.0, 1.03, 9), (1.019, 1.021, 9), (0.9, 0.95, 9)],
)
def test_what_more_rounds_would_prove_gets_them(
    monkeypatch: pytest.MonkeyPatch, low: float, mid: float, rounds: int
) -> None:
    ran: list[int] = []
    monkeypatch.setattr(trial, "run_round", lambda *args: ran.append(1))
    monkeypatch.setattr(trial, "_total", lambda *args: Interval(low=low, mid=mid, high=1.2))
    monkeypatch.setattr(trial, "_losers", lambda *args: [])
    monkeypatch.setattr(trial, "_verdict", lambda *args: ("rejected", ""))
    job = SimpleNamespace(settings=ShadowSettings())
    bench = SimpleNamespace(job=job, base=None, watchdog=None)
    attempt = SimpleNamespace(con=None, pairings=[], neutral=False, until=math.inf)
    _sample(cast(Bench, bench), cast(Attempt, attempt), lambda text: None)
    assert len(ran) == rounds
    attempt.until = 0.0
    _sample(cast(Bench, bench), cast(Attempt, attempt), lambda text: None)
    assert len(ran) <= rounds + ROUNDS
