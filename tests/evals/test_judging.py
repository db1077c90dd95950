from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from evals import judging
from evals.judging import Judgements
from evals.oracle.case import Judgement, OracleVerdict
from evals.products import Product
from evals.scenarios import tiny
from tests.factories import make_change
from tools.messages import Change

ONE, TWO, THREE = (make_change(column=name) for name in "abc")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The ids of every question to the oracle; it calls `bad` harmful."""
    asked: list[tuple[str, ...]] = []

    async def pretend(
        product: Product,
        changes: Mapping[str, Change],
        scratch: Path,
        *,
        given: Mapping[str, Change] | None = None,
    ) -> Judgement:
        asked.append((*changes, *(f"on {name}" for name in given or ())))
        verdict: OracleVerdict = "harmful" if "bad" in changes else "good"
        return Judgement(verdict=verdict, reason="planted")

    monkeypatch.setattr(judging, "judge_changes", pretend)
    return asked


@pytest.fixture
def judgements(tmp_path: Path) -> Judgements:
    scenario = tiny.build(1, tmp_path)
    return Judgements(Product(scenario, tmp_path, scenario.database), tmp_path)


async def test_a_change_is_judged_once_whoever_proposes_it(
    judgements: Judgements, judged: list[tuple[str, ...]]
) -> None:
    await judgements.of({"p1": ONE, "bad": TWO})
    found = await judgements.of({"bad": TWO, "p3": THREE})
    assert sorted(judged) == [("bad",), ("p1",), ("p3",)]
    assert {i: j.verdict for i, j in found.items()} == {"bad": "harmful", "p3": "good"}


async def test_only_what_does_no_harm_alone_is_judged_together(
    judgements: Judgements, judged: list[tuple[str, ...]]
) -> None:
    assert await judgements.together({"p1": ONE, "bad": TWO}) is None
    assert await judgements.together({"p1": ONE, "bad": TWO, "p3": THREE}) is not None
    assert judged[-1] == ("p1", "p3")


async def test_what_was_measured_on_top_of_another_change_is_judged_there(
    judgements: Judgements, judged: list[tuple[str, ...]]
) -> None:
    await judgements.of({"p1": ONE, "p3": THREE}, {"p3": {"p1": ONE}})
    await judgements.of({"p3": THREE})
    assert sorted(judged) == [("p1",), ("p3",), ("p3", "on p1")]
