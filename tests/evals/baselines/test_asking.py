from __future__ import annotations

from pathlib import Path

import pytest

from evals.baselines.asking import UNCONFIGURED, Asked
from evals.products import Product
from evals.scenarios import tiny
from tests.factories import make_trial


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    scenario = tiny.build(1, tmp_path)
    product = Product(scenario, tmp_path, scenario.database)
    return Asked(product, [make_trial()], tmp_path)


async def test_without_a_model_the_baseline_says_so(asked: Asked) -> None:
    assert (await asked.advice("model")) == ({}, UNCONFIGURED)


async def test_a_model_that_cannot_be_made_is_a_note_and_no_failure(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILLION_EVAL_MODEL", "nowhere:Model")
    advice = await asked.advice("model")
    assert advice.changes == {} and "nowhere:Model" in advice.note


async def test_silence_and_forgetting_change_nothing(asked: Asked) -> None:
    assert (await asked.advice("silent")).changes == {}
    assert (await asked.advice("forgetful")).changes == {}
    assert len((await asked.advice("rules")).changes) == 1
