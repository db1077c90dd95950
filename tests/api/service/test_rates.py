"""How often an address or a caller may ask."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.service import rates
from api.service.rates import MOST, Rate
from api.service.service import Service
from tests.api.service.test_guard import problem_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Hold the time still; it passes when it is told to."""
    at = [100.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: at[0])
    return lambda seconds: at.__setitem__(0, at[0] + seconds)


def test_one_name_cannot_use_up_the_others_share(clock: Any) -> None:
    rate = Rate(5.0)
    assert [rate.take("a") for _ in range(12)].count(0.0) == 10
    assert rate.take("b") == 0.0


def test_it_says_when_to_try_again_and_that_is_early_enough(clock: Any) -> None:
    rate = Rate(0.5)
    assert rate.take("a") == 0.0
    assert rate.take("a") == pytest.approx(2.0)
    clock(2.0)
    assert rate.take("a") == 0.0


def test_names_that_were_not_seen_for_long_are_forgotten(clock: Any) -> None:
    rate = Rate(0.5)
    for number in range(MOST + 1):
        rate.take(str(number))
    assert rate.take("0") == 0.0
    assert rate.take(str(MOST)) > 0


async def test_a_caller_who_asks_too_often_is_held_back_and_others_are_not(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.access.rate, "_depth", 3.0)
    monkeypatch.setattr(service.access.rate, "_per_second", 0.01)
    bob, cem = (
        {"x-api-key": service.access.keys.add(name, "agent", {"*": "viewer"})}
        for name in ("bob", "cem")
    )
    answers = [await http.get("/info", headers=bob) for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert problem_of(answers[-1]) == (429, "too_many_requests")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 100
    assert (await http.get("/info", headers=cem)).status_code == 200
