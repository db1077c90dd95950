"""Steps of long work: one count that only grows, and not more words than can be read."""

from __future__ import annotations

import pytest

from tools.product import steps
from tools.product.steps import Steps

Told = tuple[float, float, str]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_steps_are_counted_together(clock: list[float]) -> None:
    told: list[Told] = []
    work = Steps(lambda *words: told.append(words))
    work.begin("timing before", size=6, later=1)
    clock[0] += 1
    work.part(2, "query 3 of 3")
    work.begin("rewriting flights")
    work.begin("once more", size=2)
    assert told == [
        (0, 7, "timing before"), (2, 7, "timing before, query 3 of 3"),
        (6, 7, "rewriting flights"), (7, 9, "once more"),
    ]  # fmt: skip


def test_what_goes_fast_is_not_told_part_by_part(clock: list[float]) -> None:
    told: list[Told] = []
    work = Steps(lambda *words: told.append(words))
    work.begin("timing", size=100)
    for part in range(100):
        work.part(part, "query")
        clock[0] += steps.PAUSE / 10
    assert len(told) == 10
