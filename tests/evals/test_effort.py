"""Both sides of a person's work are counted by commands that really run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.views import offer_view
from evals import effort
from evals.approvers import Answer
from evals.effort import Recorder, by_hand, with_pillion
from evals.products import Product, ProductFailed
from evals.scenarios import tiny
from evals.scenarios.building import retyped
from evals.scenarios.scenario import Best, Known, Scenario, ScenarioFailed
from graph.ledger import Ledger, Offer, now
from tests.factories import make_decision, make_outcome
from tests.ledgers import make_ledger

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


@pytest.fixture
def commanded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were typed; a change is in place at once, but `p2` fails."""
    typed: list[list[str]] = []

    async def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        words = command[4:-1]
        typed.append(words)
        shown: Any = {}
        if words[0] == "decide":
            path = Path(options["env"]["PILLION_HOME"]) / "ledger.db"
            with closing(Ledger(path)) as ledger:
                ledger.decide(make_decision(words[1], verdict=words[2], decided_at=now()))
                status = "failed" if words[1] == "p2" else "verified"
                if words[2] == "approve":
                    ledger.record_outcome(make_outcome(words[1], status=status), "agent:verify")
                shown = offer_view(ledger.offer_of(words[1]))
        return subprocess.CompletedProcess(command, 0, json.dumps(shown).encode(), b"")

    monkeypatch.setattr(effort.anyio, "run_process", run)
    return typed


async def test_pillions_side_is_run_read_and_an_answer_to_each(
    scenario: Scenario, tmp_path: Path, commanded: list[list[str]]
) -> None:
    ids = ("p1", "p2", "p3", "p4", "p5")
    make_ledger(tmp_path / "home" / "ledger.db", *ids, product="tiny").close()

    async def answer(offers: Sequence[Offer]) -> dict[str, Answer | None]:
        refused, open_still = Answer(False, "no"), None
        given = dict.fromkeys(ids, Answer(True, "yes"))
        return given | {"p3": refused, "p4": open_still}

    tiny_product = product(scenario, tmp_path / "home" / "products" / "tiny")
    found = await with_pillion(tiny_product, answer, lambda made: sum(p.id != "p5" for p in made))
    assert found.actions == {"run": 1, "review": 1, "decide": 4}
    assert found.improvements == 1
    assert found.characters == sum(len(" ".join(["pillion", *words])) for words in commanded)
    assert ["decide", "p3", "reject"] in commanded


async def test_a_command_that_fails_is_said_in_its_own_words(
    scenario: Scenario, tmp_path: Path
) -> None:
    async def answers(offers: Sequence[Offer]) -> dict[str, Answer | None]:
        raise AssertionError("nothing is there to answer")

    nowhere = product(scenario, tmp_path / "home" / "products" / "tiny")
    with pytest.raises(ProductFailed, match="No product 'tiny'"):
        await with_pillion(nowhere, answers, len)
