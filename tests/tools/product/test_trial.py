"""Which queries of a change are raced, and how long."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from tools.messages import Interval, RewriteQuery, TableName
from tools.product import trial
from tools.product.bench import Bench
from tools.product.measure import Pairing, Watchdog
from tools.product.measurement import ShadowSettings
from tools.product.results import capture
from tools.product.trial import ROUNDS, Attempt, _check_result, _sample


def raced(monkeypatch: pytest.MonkeyPatch, later_ms: float) -> tuple[str, str, int]:
    """Race two queries: one gets fast, the other looks slow at first and takes `later_ms` after."""
    query = SimpleNamespace(
        pattern=SimpleNamespace(sql="SELECT 1", runs=1, callers=()), weighted=10.0, row_groups=None
    )
    settings, workload = ShadowSettings(max_loser_share=0.25), SimpleNamespace(windows=None)
    job = SimpleNamespace(settings=settings, workload=workload)
    bench = SimpleNamespace(
        job=job, base=None, watchdog=None, noise=[], total=20.0, queries={"a": query, "b": query},
        constant=lambda _: 0.0, spent=1.0,
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
    ("low", "mid", "high", "rounds", "neutral"),
    [
        (1.03, 1.06, 1.2, 3, False), (1.015, 1.06, 1.2, 27, False), (1.0, 1.03, 1.2, 9, False),
        (1.019, 1.021, 1.2, 9, False), (0.9, 0.95, 1.2, 9, False),
        (0.98, 1.0, 1.02, 9, True), (0.95, 1.0, 1.05, 9, True), (0.92, 0.95, 0.97, 27, True),
        (0.8, 0.85, 0.89, 9, True),
    ],
)  # fmt: skip
def test_what_more_rounds_would_prove_gets_them(
    monkeypatch: pytest.MonkeyPatch, low: float, mid: float, high: float, rounds: int, neutral: bool
) -> None:
    ran: list[int] = []
    monkeypatch.setattr(trial, "run_round", lambda *args: ran.append(1))
    monkeypatch.setattr(trial, "_total", lambda *args: Interval(low=low, mid=mid, high=high))
    monkeypatch.setattr(trial, "_losers", lambda *args: [])
    monkeypatch.setattr(trial, "_verdict", lambda *args: ("rejected", ""))
    job = SimpleNamespace(settings=ShadowSettings())
    bench = SimpleNamespace(job=job, base=None, watchdog=None, spent=1.0)
    attempt = SimpleNamespace(con=None, pairings=[], neutral=neutral, until=math.inf)
    _sample(cast(Bench, bench), cast(Attempt, attempt), lambda text: None)
    assert len(ran) == rounds
    attempt.until = 0.0
    _sample(cast(Bench, bench), cast(Attempt, attempt), lambda text: None)
    assert len(ran) <= rounds + ROUNDS


@pytest.mark.parametrize(
    ("rewritten", "trouble"),
    [
        ("SELECT Shop FROM sales WHERE 1 = 1", {}),
        ("SELECT shop AS SHOP FROM sales", {"q": "columns would be named or typed otherwise"}),
        (
            "SELECT shop::BIGINT AS Shop FROM sales",
            {"q": "columns would be named or typed otherwise"},
        ),
    ],
)
def test_a_text_that_the_gateway_would_not_serve_is_not_offered(
    rewritten: str, trouble: dict[str, str]
) -> None:
    sql = "SELECT shop FROM sales"
    change = RewriteQuery(
        table=TableName(name="sales"), fingerprint="q", rule="r", original=sql, rewritten=rewritten
    )
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales AS SELECT 1 AS Shop")
        query = SimpleNamespace(pattern=SimpleNamespace(sql=sql, weight=1.0), sql=sql, ms=1.0)
        bench = SimpleNamespace(
            job=SimpleNamespace(settings=ShadowSettings()), watchdog=Watchdog(),
            queries={"q": query}, answer=lambda _: capture(con, sql),
        )  # fmt: skip
        attempt = SimpleNamespace(
            candidate=SimpleNamespace(change=change), con=con, pairings=[], troubles={},
            row_groups={},
        )  # fmt: skip
        _check_result(cast(Bench, bench), cast(Attempt, attempt), "q")
        bench.watchdog.close()
    assert attempt.troubles == trouble
    assert len(attempt.pairings) == (not trouble)
