"""`pillion model`: learn from answers, look, put into service, take back."""

from __future__ import annotations

import json
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from graph.decisions import RECORDED, RecordedDecision
from graph.learning import store_of
from graph.ledger import Ledger
from graph.settings import Settings
from tests.answers import make_about, make_examples, make_judge
from tests.commands import document, invoke, refusal, started

pytestmark = pytest.mark.xdist_group("learning")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@cache
def answers(count: int) -> bytes:
    return RECORDED.dump_json(
        tuple(
            RecordedDecision(
                proposal_id=e.proposal, product=e.product, kind=e.kind, target="t.c",
                facts=e.facts, verdict="approve" if e.approved else "reject", reason="",
                principal="ada", channel="terminal", decided_at=e.at, seconds=3.0,
            )
            for e in make_examples(count)
        )
    )  # fmt: skip


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "answers.json"
    path.write_bytes(answers(160))
    return path


def kept(home: Path, **weights: float) -> str:
    judge = make_judge(**weights)
    return store_of(Settings(home=home)).add(judge, make_about(make_examples(120), judge), "# Card")


def test_without_a_judge_everything_says_that_rules_rank(home: Path) -> None:
    for command in (["status"], ["model", "list"], ["model", "show"]):
        assert "Judge: none: rules rank" in invoke(home, *command).stdout
    assert document(home, "model", "list") == {"serving": None, "judges": []}
    assert document(home, "model", "show") is None


def test_a_training_that_was_killed_goes_on_and_its_judge_can_serve(
    home: Path, exported: Path
) -> None:
    train = ("model", "train", "--decisions", exported)
    with started(home, *train, PILLION_CRASH_AT="slm.step.kept:3") as killed:
        assert killed.wait(60) == -9
    found = document(home, *train)
    assert (found["resumed"], found["better"]) == (3, True)
    assert not list((home / "models" / "training").iterdir())
    said = invoke(home, "model", "use", found["id"])
    assert f"Judge: {found['id']} ranks and holds back" in said.stdout, said.stderr
    card = invoke(home, "model", "show").stdout
    assert "# The judge" in card and "## Where it fails" in card and "| rules |" in card
    listed = document(home, "model", "list")
    assert listed["serving"] == found["id"] and listed["judges"][0]["serves"]


def test_nobody_has_answered_yet(home: Path) -> None:
    assert "Nobody has answered" in refusal(invoke(home, "model", "train"))


def test_a_file_that_holds_no_answers_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    for body in ("", "{}", json.dumps([{"facts": {}}])):
        path.write_text(body)
        said = refusal(invoke(home, "model", "train", "--decisions", path))
        assert "holds no recorded answers" in said


def test_use_and_undo_change_who_serves_and_are_in_the_trail(home: Path) -> None:
    judge = kept(home, gain=6.0, insert_cost=-3.0)
    assert judge in invoke(home, "model", "use", judge).stdout
    assert judge in invoke(home, "status").stdout
    assert "Judge: none" in invoke(home, "model", "undo").stdout
    assert "nothing to undo" in refusal(invoke(home, "model", "undo"))
    with closing(Ledger(home / "ledger.db")) as ledger:
        assert [r.action for r in ledger.audit_rows()] == ["judge.promoted", "judge.undone"]


def test_a_judge_that_is_not_better_is_refused_with_by_how_much(home: Path) -> None:
    judge = kept(home, gain=-6.0)
    assert "not shown to be better than rules" in refusal(invoke(home, "model", "use", judge))


def test_an_unknown_judge_is_refused(home: Path) -> None:
    for command in ("use", "show"):
        assert "no judge 'j1'" in refusal(invoke(home, "model", command, "j1"))


def test_a_damaged_judge_is_refused_by_name_and_in_status(home: Path) -> None:
    judge = kept(home, gain=6.0, insert_cost=-3.0)
    invoke(home, "model", "use", judge)
    path = home / "models" / "judges" / judge / "judge.json"
    path.write_bytes(path.read_bytes()[:100])
    assert "is not the file that was made" in refusal(invoke(home, "model", "show"))
    (home / "models" / "judges" / "serving.json").write_text("nonsense")
    assert "rules rank" in invoke(home, "status").stdout
