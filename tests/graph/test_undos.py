"""Requests to take back: kept through a crash, carried out once, and then there are no more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from graph import ledger as ledgers
from graph.errors import AlreadyUndone, NeverMade, UnknownProposal
from graph.ledger import Ledger, now
from graph.undos import UndoRequest
from tests.factories import make_decision
from tests.ledgers import make_ledger, open_proposal
from tools.messages import Outcome, OutcomeStatus

ASKED = UndoRequest("p1", "person:ada")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def became(ledger: Ledger, *statuses: OutcomeStatus) -> None:
    for status in statuses:
        outcome = Outcome(proposal_id="p1", status=status, detail="")
        ledger.record_outcome(outcome, "person:ada")


def test_a_request_is_kept_until_it_is_carried_out_and_counts_once(ledger: Ledger) -> None:
    became(ledger, "applied", "verified")
    for actor in ("person:ada", "person:bob"):
        ledger.request_undo("p1", actor)
    assert ledger.undo_requests() == [ASKED]
    assert [r.action for r in ledger.audit_rows()].count("undo.requested") == 1
    became(ledger, "undone")
    assert ledger.undo_requests() == []


@pytest.mark.parametrize(
    ("status", "said"), [("undone", "was undone already"), ("rolled_back", "was rolled back")]
)
def test_what_was_taken_back_is_not_asked_for_again(
    ledger: Ledger, status: OutcomeStatus, said: str
) -> None:
    became(ledger, "applied", status)
    before = ledger.audit_rows()
    with pytest.raises(AlreadyUndone, match=said) as caught:
        ledger.request_undo("p1", "person:ada")
    with pytest.raises(AlreadyUndone):
        ledger.check_undoable("p1")
    assert caught.value.since.isoformat() == before[-1].at
    assert (ledger.audit_rows(), ledger.undo_requests()) == (before, [])


def test_what_was_never_made_is_not_kept(ledger: Ledger) -> None:
    for statuses in ((), ("failed", "expired")):
        became(ledger, *statuses)
        with pytest.raises(NeverMade, match="p1 was never made"):
            ledger.request_undo("p1", "person:ada")
        with pytest.raises(NeverMade):
            ledger.check_undoable("p1")
    assert ledger.undo_requests() == []


def test_an_approval_on_its_way_may_be_taken_back(ledger: Ledger) -> None:
    ledger.decide(make_decision("p1", decided_at=now()))
    ledger.request_undo("p1", "person:ada")
    assert ledger.undo_requests() == [ASKED]
    ledger.decide(make_decision("p2", verdict="reject", decided_at=now()))
    with pytest.raises(NeverMade):
        ledger.request_undo("p2", "person:ada")


def test_a_change_whose_next_offer_came_to_nothing_may_be_taken_back(ledger: Ledger) -> None:
    became(ledger, "applied", "verified")
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    became(ledger, "failed")
    ledger.request_undo("p1", "person:ada")
    assert ledger.undo_requests() == [ASKED]


def test_a_later_approval_forgets_the_request(ledger: Ledger) -> None:
    became(ledger, "applied")
    ledger.request_undo("p1", "person:ada")
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert ledger.undo_requests() == [ASKED]
    ledger.decide(make_decision("p1", decided_at=now()))
    assert ledger.undo_requests() == []
    assert [r.action for r in ledger.audit_rows()].count("undo.overtaken") == 1
    assert ledger.verify().ok


def test_a_request_whose_process_died_is_still_there_when_the_product_did_it(
    ledger: Ledger,
) -> None:
    # The product took it back, and nobody came to write it down.
    became(ledger, "applied")
    ledger.request_undo("p1", "person:ada")
    ledger.request_undo("p1", "person:ada")
    assert ledger.undo_requests() == [ASKED]


def test_a_refused_request_is_forgotten_and_may_be_made_again(ledger: Ledger) -> None:
    became(ledger, "applied")
    ledger.request_undo("p1", "person:ada")
    ledger.drop_undo_request("p1")
    assert ledger.undo_requests() == []
    ledger.request_undo("p1", "person:ada")
    assert ledger.undo_requests() == [ASKED]


def test_an_unknown_proposal_is_not_kept(ledger: Ledger) -> None:
    with pytest.raises(UnknownProposal):
        ledger.request_undo("p404", "person:ada")
    assert ledger.undo_requests() == []


@pytest.mark.parametrize("status", ["verified", "unproven"])
def test_what_becomes_of_a_change_meanwhile_does_not_forget_the_request(
    ledger: Ledger, status: OutcomeStatus
) -> None:
    became(ledger, "applied")
    ledger.request_undo("p1", "person:ada")
    became(ledger, status)
    assert ledger.undo_requests() == [ASKED]
    became(ledger, "undone")
    assert ledger.undo_requests() == []


def test_a_clock_that_was_set_back_does_not_change_what_came_last(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    became(ledger, "applied")
    monkeypatch.setattr(ledgers, "now", lambda: now() - timedelta(hours=1))
    became(ledger, "undone")
    assert [o.status for o in ledger.offer_of("p1").outcomes] == ["applied", "undone"]
    with pytest.raises(AlreadyUndone):
        ledger.request_undo("p1", "person:ada")
