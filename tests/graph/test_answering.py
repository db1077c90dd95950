from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.answering import GivenAnswers, build_decisions
from graph.errors import AlreadyDecided, InvalidAnswer, KeyReused
from graph.ledger import Ledger, now
from tests.factories import make_change, make_decision, make_proposal
from tools.messages import Principal

ADA = Principal(kind="person", name="ada")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.db")) as opened:
        yield opened


@pytest.fixture
def asked(ledger: Ledger) -> list[str]:
    at = now()
    proposals = [
        make_proposal(make_change(column=column), created_at=at, expires_at=at + timedelta(days=1))
        for column in "ab"
    ]
    ledger.offer("t", proposals, "agent:rank")
    return [p.id for p in proposals]


def decisions(ledger: Ledger, asked: list[str], *answers: Any) -> list[Any]:
    given = GivenAnswers.model_validate({"decisions": list(answers)})
    return build_decisions(ledger, given, asked, ADA, "http")


def test_answers_without_ids_are_for_the_questions_in_their_order(
    ledger: Ledger, asked: list[str]
) -> None:
    words = [{"type": "accept"}, {"type": "response", "message": "no"}]
    found = decisions(ledger, asked, *words)
    assert [(d.proposal_id, d.verdict, d.reason) for d in found] == [
        (asked[0], "approve", ""), (asked[1], "reject", "no"),
    ]  # fmt: skip


def test_an_edit_in_the_words_of_a_chat_is_an_edit(ledger: Ledger, asked: list[str]) -> None:
    edit = {
        "type": "edit", "proposal_id": asked[1],
        "edited_action": {"name": "change_type", "args": {"to_type": "BIGINT"}},
    }  # fmt: skip
    (found,) = decisions(ledger, asked, edit)
    assert found.edited.to_type == "BIGINT" and found.edited.column == "b"


@pytest.mark.parametrize("verdict", ["approve", "accept", "reject"])
@pytest.mark.parametrize("name", ["change", "edited_action"])
def test_a_change_beside_another_answer_than_an_edit_is_not_passed_over(
    ledger: Ledger, asked: list[str], verdict: str, name: str
) -> None:
    fields: dict[str, Any] = {"to_type": "BIGINT"}
    sent = fields if name == "change" else {"name": "change_type", "args": fields}
    with pytest.raises(InvalidAnswer, match="A change goes with edit"):
        decisions(ledger, asked, {"type": verdict, "proposal_id": asked[0], name: sent})


@pytest.mark.parametrize("marker", [None, "n/a"])
def test_a_null_marker_is_not_edited_away_from_what_the_expressions_do(
    ledger: Ledger, asked: list[str], marker: str | None
) -> None:
    edit = {"type": "edit", "proposal_id": asked[0], "change": {"null_marker": marker}}
    with pytest.raises(InvalidAnswer, match="forward and backward"):
        decisions(ledger, asked, edit)
    both = {
        "null_marker": None, "forward": 'CAST("a" AS SMALLINT)', "backward": 'CAST("a" AS VARCHAR)',
    }  # fmt: skip
    (found,) = decisions(ledger, asked, {**edit, "change": both})
    assert found.edited.null_marker is None


@pytest.mark.parametrize(
    "answers",
    [
        [{"type": "approve"}],
        [{"type": "approve"}, {"type": "approve", "proposal_id": "p1"}],
        [{"type": "approve", "proposal_id": "p1"}, {"type": "reject", "proposal_id": "p1"}],
        [{"type": "edit"}, {"type": "approve"}],
    ],
)
def test_answers_that_cannot_be_told_apart_are_refused(
    ledger: Ledger, asked: list[str], answers: list[Any]
) -> None:
    with pytest.raises(InvalidAnswer):
        decisions(ledger, asked, *answers)


def test_answers_are_recorded_together_or_not_at_all(ledger: Ledger, asked: list[str]) -> None:
    at = now()
    ledger.decide(make_decision(asked[1], decided_at=at))
    with pytest.raises(AlreadyDecided):
        ledger.decide_all([make_decision(p, decided_at=at) for p in asked])
    assert ledger.offer_of(asked[0]).waiting


def test_a_key_stands_for_one_answer_for_ever(ledger: Ledger, asked: list[str]) -> None:
    for _ in range(2):
        ledger.decide_all([make_decision(asked[0], decided_at=now())], "k")
    with pytest.raises(KeyReused):
        ledger.decide_all([make_decision(asked[1], decided_at=now())], "k")
    assert ledger.offer_of(asked[1]).waiting and ledger.verify().ok
