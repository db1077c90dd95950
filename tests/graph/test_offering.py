"""Offers that wait again: of an edit that came to nothing, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import OfferedAnew
from graph.ledger import Ledger, now
from tests.factories import make_change, make_decision
from tests.ledgers import make_ledger, open_proposal


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def edit_of(ledger: Ledger, proposal_id: str) -> None:
    change = make_change(column="other")
    ledger.decide(make_decision(proposal_id, verdict="edit", edited=change, decided_at=now()))


@pytest.mark.parametrize(
    ("seen", "words"), [(1, "was offered anew [(]as round 2, and"), (7, "has no round 7 yet")]
)
def test_an_answer_to_another_round_says_which_there_is(
    ledger: Ledger, seen: int, words: str
) -> None:
    edit_of(ledger, "p1")
    ledger.offer_again("t1", "p1", "agent:report")
    with pytest.raises(OfferedAnew, match=words):
        ledger.decide(make_decision("p1", decided_at=now()), seen)
    assert ledger.offer_of("p1").waiting


def test_what_was_edited_in_vain_waits_again_as_it_was(ledger: Ledger) -> None:
    edit_of(ledger, "p1")
    (edit,) = ledger.undelivered()["t1"]
    assert ledger.offer_again("t1", "p1", "agent:report")
    assert not ledger.offer_again("t1", "p1", "agent:report")
    again, before = ledger.offer_of("p1"), ledger.offer_of("p1", before=2)
    assert (again.round, again.waiting, again.proposal) == (2, True, before.proposal)
    # An answer that comes before the edit is noted as taken is not noted with it.
    ledger.decide(make_decision("p1", decided_at=now()))
    ledger.delivered("t1", [edit])
    assert [d.verdict for d in ledger.undelivered()["t1"]] == ["approve"]
    assert ledger.verify().ok


def test_what_was_edited_in_vain_is_not_offered_twice(ledger: Ledger) -> None:
    edit_of(ledger, "p1")
    ledger.open_thread("t2", "flights", "all")
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert not ledger.offer_again("t1", "p1", "agent:report")
    ledger.decide(make_decision("p2", decided_at=now()))
    assert not ledger.offer_again("t1", "p2", "agent:report")
