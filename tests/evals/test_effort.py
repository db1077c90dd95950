"""Both sides of a person's work are counted by commands that really run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evals import effort
from evals.approvers import Answer
from evals.effort import Recorder, by_hand, with_pillion
from evals.products import Product, ProductFailed
from evals.scenarios import tiny
from evals.scenarios.building import retyped
from evals.scenarios.scenario import Best, Known, Scenario, ScenarioFailed
from graph.ledger import Offer
from tests.commands import make_home

QUERIES = ["SELECT name FROM teams WHERE id = 7", "SELECT count(*) FROM scores"]
BEST = Best((retyped("scores", "points", "BIGINT"),), (("SELECT 1", "SELECT 2"),))


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    return tiny.build(1, tmp_path)


def product(scenario: Scenario, folder: Path) -> Product:
    return Product(scenario, folder, scenario.database)


def test_a_command_that_fails_was_typed_all_the_same() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="no"), recorder.typed("change", "DROP"):
        raise ValueError("no")
    found = recorder.effort(0)
    assert (found.actions, found.characters) == ({"change": 1}, 4)


async def test_by_hand_every_step_is_a_command(scenario: Scenario, tmp_path: Path) -> None:
    known = (Known(("change_type",), "scores", "points"),)
    better = replace(scenario, best=BEST, known=known)
    found = await by_hand(product(better, tmp_path), QUERIES, tmp_path / "hand")
    assert found.actions == {
        "look": 1, "explain": 2, "back up": 1, "change": 1, "rewrite": 1, "time again": 2,
        "try the way back": 2,
    }  # fmt: skip
    assert found.improvements == 1 and found.seconds > 0
    assert found.characters > sum(map(len, QUERIES)) * 2


async def test_without_anything_to_improve_a_person_looks_in_vain(
    scenario: Scenario, tmp_path: Path
) -> None:
    found = await by_hand(product(scenario, tmp_path), QUERIES, tmp_path / "hand")
    assert (found.actions, found.improvements) == ({"look": 1, "explain": 2}, 0)


async def test_a_statement_of_the_author_that_fails_is_said(
    scenario: Scenario, tmp_path: Path
) -> None:
    wrong = replace(scenario, best=Best(("DROP TABLE nowhere",)))
    with pytest.raises(ScenarioFailed, match="DROP TABLE nowhere fails"):
        await by_hand(product(wrong, tmp_path), QUERIES, tmp_path / "hand")


async def approve(offers: Sequence[Offer]) -> dict[str, Answer | None]:
    return {o.proposal.id: Answer(True, "yes") for o in offers}


@pytest.mark.slow
async def test_pillions_side_is_its_real_command_line(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effort, "BUDGET_SECONDS", 4)
    home = make_home(tmp_path / "home", rows=5_000)
    sales = product(replace(scenario, family="sales"), home / "products" / "sales")
    found = await with_pillion(sales, approve, lambda change_id: True)
    assert {"run", "review", "decide"} == set(found.actions)
    assert 1 <= found.improvements <= found.actions["decide"]
    assert found.characters > len("pillion run sales")


async def test_a_command_that_fails_is_said_in_its_own_words(
    scenario: Scenario, tmp_path: Path
) -> None:
    nowhere = product(scenario, tmp_path / "home" / "products" / "tiny")
    with pytest.raises(ProductFailed, match="No product 'tiny'"):
        await with_pillion(nowhere, approve, lambda change_id: True)
