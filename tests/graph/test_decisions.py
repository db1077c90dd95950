from __future__ import annotations

from pathlib import Path

import pytest

from graph.decisions import facts_of, recorded
from graph.ledger import Ledger, now
from tests.factories import make_decision, make_evidence, make_interval, make_proposal
from tests.ledgers import make_ledger, open_proposal
from tools.messages import ContractVerdict, Finding


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def test_every_answer_is_recorded_with_facts_and_none_that_waits(ledger: Ledger) -> None:
    ledger.decide(make_decision("p2", verdict="reject", reason="no", decided_at=now()))
    (found,) = recorded(ledger)
    assert (found.proposal_id, found.verdict, found.reason, found.principal) == (
        "p2", "reject", "no", "ada",
    )  # fmt: skip
    assert found.facts == facts_of(open_proposal("p2"))


def test_an_earlier_answer_to_the_same_idea_is_kept(ledger: Ledger) -> None:
    ledger.decide(make_decision("p1", verdict="reject", decided_at=now()))
    ledger.open_thread("t2", "flights", "all")
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    ledger.decide(make_decision("p1", decided_at=now()))
    assert [d.verdict for d in recorded(ledger)] == ["reject", "approve"]


def test_what_ran_out_is_no_answer(ledger: Ledger) -> None:
    ledger.open_thread("t2", "flights", "all")
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert recorded(ledger) == []


def test_facts_are_the_numbers_of_a_proposal() -> None:
    warning = Finding(path="schema", severity="warning", message="the type changes")
    facts = facts_of(
        make_proposal(
            evidence=make_evidence(
                ratio=make_interval(1.0), insert_cost=None, bytes_before=0, bytes_after=0
            ),
            contract=ContractVerdict(compatible=True, findings=(warning,)),
        )
    )
    assert (facts.gain, facts.insert_cost, facts.growth, facts.warnings) == (0, 0, 0, 1)
    assert facts.certain_gain < 0
