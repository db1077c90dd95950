"""Looking at a home: the answers that people gave, the trail, and what is wrong there."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from graph.decisions import RECORDED
from graph.ledger import Ledger, now
from tests.commands import document, invoke, refusal
from tests.factories import HOSTILE, make_decision
from tests.ledgers import make_ledger


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def answered(home: Path) -> Path:
    with closing(make_ledger(home / "ledger.db", "p1", "p2")) as ledger:
        said = make_decision("p2", verdict="reject", reason=HOSTILE, decided_at=now())
        ledger.decide(said)
    return home


def test_answers_are_exported_with_their_facts(answered: Path) -> None:
    (found,) = RECORDED.validate_python(document(answered, "log", "--decisions"))
    assert (found.proposal_id, found.verdict, found.kind) == ("p2", "reject", "change_type")
    assert found.facts.gain > 1


def test_answers_are_listed_for_people_and_harmless(answered: Path) -> None:
    said = invoke(answered, "log", "--decisions").stdout
    assert "ada reject p2 change_type flights.p2" in said
    assert "\x1b" not in said


def test_without_an_answer_there_is_nothing_to_export(home: Path) -> None:
    assert document(home, "log", "--decisions") == []
    Ledger(home / "ledger.db").close()
    assert document(home, "log", "--decisions") == []
    assert "pillion review" in invoke(home, "log", "--decisions").stdout


def test_the_chain_and_the_answers_are_asked_for_one_at_a_time(home: Path) -> None:
    said = refusal(invoke(home, "log", "--decisions", "--verify"), code=2)
    assert "not both" in said


def test_a_trail_that_is_gone_does_not_verify(home: Path) -> None:
    missing = invoke(home, "log", "--verify", "--json")
    assert missing.exit_code == 4
    assert json.loads(missing.stdout)["ok"] is False
    assert "no ledger.db" in refusal(invoke(home, "log", "--verify"), code=4)
    assert document(home, "log") == []


def test_a_ledger_that_is_gone_though_runs_are_there_is_a_problem(home: Path) -> None:
    home.mkdir(exist_ok=True)
    sqlite3.connect(home / "checkpoints.db").close()
    checks = {c["check"]: c for c in json.loads(invoke(home, "doctor", "--json").stdout)}
    assert not checks["audit trail"]["ok"]
    assert "restore it from a backup" in checks["audit trail"]["detail"]
