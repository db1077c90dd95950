"""The ledger: the first answer stands, with its delivery, in an unbroken chain."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from graph import audit
from graph.errors import (
    AlreadyDecided,
    InvalidAnswer,
    NotAllowed,
    OfferedAnew,
    StateTooNew,
    UnknownProposal,
)
from graph.ledger import Ledger, now
from nodes.refusal import Refusal
from tests.factories import make_change, make_decision, make_summary_proposal
from tests.ledgers import make_ledger, open_proposal
from tools.ideas import idea_key
from tools.messages import Outcome, Principal

ROOT = Path(__file__).parents[2]
AGENT = Principal(kind="agent", name="schema")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def test_an_answer_is_recorded_with_its_delivery(ledger: Ledger) -> None:
    ledger.decide(make_decision(proposal_id="p1", verdict="reject", decided_at=now()))
    assert [d.proposal_id for d in ledger.undelivered()["t1"]] == ["p1"]
    ledger.delivered("t1", ledger.undelivered()["t1"])
    assert ledger.undelivered() == {}
    assert [o.proposal.id for o in ledger.offers(waiting=True)] == ["p2"]


def test_the_first_answer_stands(ledger: Ledger) -> None:
    ledger.decide(make_decision(proposal_id="p1", verdict="reject", decided_at=now()))
    with pytest.raises(AlreadyDecided, match="reject"):
        ledger.decide(make_decision(proposal_id="p1", verdict="approve", decided_at=now()))


def test_racing_answers_leave_exactly_one(ledger: Ledger, tmp_path: Path) -> None:
    refused: list[str] = []

    def answer() -> None:
        book = Ledger(tmp_path / "ledger.db")
        try:
            book.decide(make_decision(proposal_id="p1", verdict="approve", decided_at=now()))
        except AlreadyDecided as exc:
            refused.append(exc.standing.verdict)
        book.close()

    racers = [threading.Thread(target=answer) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert refused == ["approve"] * 7
    assert ledger.verify().ok


DECIDE = """
import sys
from pathlib import Path
from graph.errors import AlreadyDecided
from graph.ledger import Ledger, now
from tests.factories import make_decision
book = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    book.decide(make_decision(proposal_id="p1", verdict=sys.argv[2], decided_at=now()))
except AlreadyDecided as exc:
    print("lost to", exc.standing.verdict)
else:
    print("won")
"""


def test_of_two_processes_that_answer_at_once_exactly_one_wins(
    ledger: Ledger, tmp_path: Path
) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", DECIDE, str(tmp_path / "ledger.db"), verdict],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for verdict in ("approve", "reject")
    ]  # fmt: skip
    assert [r.stdout.readline() for r in racers if r.stdout] == ["ready\n"] * 2
    for racer in racers:
        if racer.stdin:
            racer.stdin.write("\n")
            racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].strip() for racer in racers]
    standing = ledger.offer_of("p1").decision
    assert standing is not None
    assert sorted(said) == [f"lost to {standing.verdict}", "won"]
    assert len(ledger.undelivered()["t1"]) == 1 and ledger.verify().ok


@pytest.mark.parametrize("verdict", ["approve", "edit", "reject"])
def test_an_agent_may_not_answer(ledger: Ledger, verdict: str) -> None:
    edited = make_change(column="other") if verdict == "edit" else None
    with pytest.raises(NotAllowed):
        ledger.decide(
            make_decision("p1", verdict=verdict, edited=edited, principal=AGENT, decided_at=now())
        )
    assert ledger.offer_of("p1").waiting


def test_an_agents_clock_may_expire_what_is_over_and_nothing_else(ledger: Ledger) -> None:
    with pytest.raises(InvalidAnswer, match="open until"):
        ledger.decide(make_decision("p1", verdict="expire", principal=AGENT, decided_at=now()))
    late = now() + timedelta(days=8)
    offer = ledger.decide(make_decision("p1", verdict="expire", principal=AGENT, decided_at=late))
    assert offer.decision is not None and offer.decision.verdict == "expire"


def test_an_expired_proposal_cannot_be_approved(ledger: Ledger) -> None:
    late = now() + timedelta(days=365)
    with pytest.raises(InvalidAnswer, match="expired"):
        ledger.decide(make_decision(proposal_id="p1", verdict="approve", decided_at=late))
    assert ledger.offer_of("p1").waiting


def test_an_edit_needs_its_change_and_nothing_else_may_carry_one(ledger: Ledger) -> None:
    other = make_change(column="other")
    for verdict, edited in (("edit", None), ("approve", other), ("reject", other)):
        answer = make_decision("p1", verdict=verdict, edited=edited, decided_at=now())
        with pytest.raises(InvalidAnswer, match="edited change"):
            ledger.decide(answer)


def test_an_edit_that_changes_nothing_is_not_one(ledger: Ledger) -> None:
    same = ledger.proposal("p1").change
    with pytest.raises(InvalidAnswer, match="changes nothing"):
        ledger.decide(make_decision("p1", verdict="edit", edited=same, decided_at=now()))


def test_an_unknown_proposal_is_named(ledger: Ledger) -> None:
    with pytest.raises(UnknownProposal, match="p404"):
        ledger.decide(make_decision(proposal_id="p404", verdict="reject"))


def test_a_replayed_offer_changes_nothing(ledger: Ledger) -> None:
    before = len(ledger.audit_rows())
    ledger.offer("t1", [open_proposal("p1")], "agent:rank")
    assert len(ledger.audit_rows()) == before


def test_an_idea_offered_again_later_can_be_answered_again(ledger: Ledger) -> None:
    ledger.decide(make_decision(proposal_id="p1", verdict="reject", decided_at=now()))
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert ledger.offer_of("p1").round == 2
    ledger.decide(make_decision(proposal_id="p1", verdict="approve", decided_at=now()))
    assert ledger.offer_of("p1").decision is not None


def test_an_answer_to_an_offer_that_was_made_anew_is_refused(ledger: Ledger) -> None:
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    before = len(ledger.audit_rows())
    with pytest.raises(OfferedAnew, match="as round 2, and the answer is about round 1"):
        ledger.decide(make_decision("p1", decided_at=now()), 1)
    said = [make_decision(p, decided_at=now()) for p in ("p2", "p1")]
    with pytest.raises(OfferedAnew):
        ledger.decide_all(said, seen={"p1": 1})
    assert (len(ledger.audit_rows()), list(ledger.undelivered())) == (before, ["t1"])
    assert ledger.decide(said[1], 2).decision is not None


def test_what_a_lost_run_made_is_told_as_in_place_and_twice_given_up_is_once(
    ledger: Ledger,
) -> None:
    ledger.decide(make_decision("p1", decided_at=now()))
    ledger.give_up("t1", {"p1"})
    before = ledger.audit_rows()
    assert [o.status for o in ledger.offer_of("p1").outcomes] == ["unproven"]
    ledger.request_undo("p1", "person:ada")
    ledger.drop_undo_request("p1")
    ledger.give_up("t1", ())
    assert ledger.audit_rows()[: len(before)] == before
    assert [o.status for o in ledger.offer_of("p1").outcomes] == ["unproven"]
    assert ledger.offers(waiting=True) == []
    assert ledger.verify().ok


def refusal_of(ledger: Ledger, product: str) -> Refusal:
    return ledger.refusals(product)[idea_key(ledger.proposal("p1").change)]


def test_refusals_remember_the_evidence_they_answered(ledger: Ledger) -> None:
    ledger.decide(make_decision(proposal_id="p1", verdict="reject", decided_at=now()))
    product = ledger.proposal("p1").product
    refusal = refusal_of(ledger, product)
    assert refusal.proposal.evidence == ledger.proposal("p1").evidence


def test_an_offer_that_ran_out_does_not_forget_the_refusal_before_it(ledger: Ledger) -> None:
    ledger.decide(make_decision("p1", verdict="reject", reason="no", decided_at=now()))
    product = ledger.proposal("p1").product
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert refusal_of(ledger, product).decision.reason == "no"
    late = now() + timedelta(days=8)
    ledger.decide(make_decision("p1", verdict="expire", principal=AGENT, decided_at=late))
    assert refusal_of(ledger, product).decision.reason == "no"


def test_an_idea_is_known_again_with_other_literals_and_closes_its_older_offer(
    ledger: Ledger,
) -> None:
    old = make_summary_proposal(id="s1", expires_at=now() + timedelta(days=7))
    texts = (("SELECT 2", "SELECT 3"),)
    change = old.change.model_copy(update={"rewrites": texts})
    ledger.offer("t1", [old], "agent:rank")
    ledger.offer("t2", [old.model_copy(update={"id": "s2", "change": change})], "agent:rank")
    closed = ledger.offer_of("s1").decision
    assert closed is not None and closed.verdict == "expire"
    assert [o.proposal.id for o in ledger.offers(waiting=True)] == ["p1", "p2", "s2"]
    ledger.decide(make_decision("s2", verdict="reject", decided_at=now()))
    assert ledger.refusals(old.product)[idea_key(old.change)].proposal.id == "s2"
    ledger.offer("t3", [old.model_copy(update={"id": "s3"})], "agent:rank")
    ledger.decide(make_decision("s3", decided_at=now()))
    assert ledger.refusals(old.product) == {}


def test_an_approval_ends_a_refusal_and_taking_back_starts_one(ledger: Ledger) -> None:
    product = ledger.proposal("p1").product
    ledger.decide(make_decision("p1", verdict="reject", decided_at=now()))
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    ledger.decide(make_decision("p1", decided_at=now()))
    ledger.record_outcome(Outcome(proposal_id="p1", status="applied", detail=""), "agent:apply")
    assert ledger.refusals(product) == {}
    ledger.record_outcome(Outcome(proposal_id="p1", status="undone", detail=""), "person:ada")
    outcome = refusal_of(ledger, product).outcome
    assert outcome is not None and outcome.status == "undone"
    assert ledger.refusals("another") == {}


def test_an_idea_offered_anew_closes_its_older_question(ledger: Ledger) -> None:
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert [d.verdict for d in ledger.undelivered()["t1"]] == ["expire"]
    old, new = ledger.decision("t1", "p1"), ledger.decision("t2", "p1")
    assert old is not None and old.verdict == "expire" and new is None
    assert [o.thread_id for o in ledger.offers(waiting=True)] == ["t1", "t2"]
    assert ledger.verify().ok


def test_a_run_keeps_what_it_offered_when_another_offers_it_anew(ledger: Ledger) -> None:
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    assert [(o.proposal.id, o.round) for o in ledger.offers(thread_id="t1")] == [
        ("p1", 1), ("p2", 1),
    ]  # fmt: skip
    assert [(o.proposal.id, o.round) for o in ledger.offers()] == [("p2", 1), ("p1", 2)]
    assert ledger.offers("another") == []


def test_the_latest_of_many_rounds_counts(ledger: Ledger) -> None:
    for number in range(2, 13):
        ledger.decide(make_decision("p1", verdict="reject", decided_at=now()))
        ledger.offer(f"t{number}", [open_proposal("p1")], "agent:rank")
    (offer,) = [o for o in ledger.offers() if o.proposal.id == "p1"]
    assert (offer.round, offer.thread_id, offer.waiting) == (12, "t12", True)


def test_the_queue_does_not_read_what_was_answered_long_ago(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con, con:
        old = [(f"o{n}",) for n in range(5000)]
        con.executemany(
            "INSERT INTO proposals VALUES (?, 't0', 'flights', 'not read', '2020', '2020', 1)", old
        )
        con.executemany("INSERT INTO decisions VALUES (?, 1, 'not read', '2020')", old)
    assert [o.proposal.id for o in ledger.offers("flights", waiting=True)] == ["p1", "p2"]
    assert [o.proposal.id for o in ledger.offers(thread_id="t1")] == ["p1", "p2"]


def test_a_ledger_of_a_newer_pillion_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StateTooNew, match="format 99"):
        Ledger(path)
    assert path.read_bytes() == before


def test_many_openers_of_a_fresh_ledger_do_not_disturb_each_other(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def opens() -> None:
        try:
            Ledger(tmp_path / "fresh.db").close()
        except sqlite3.Error as exc:
            failed.append(exc)

    threads = [threading.Thread(target=opens) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_the_same_outcome_twice_is_one_row(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.record_outcome(Outcome(proposal_id="p1", status="applied", detail="d"), "agent:x")
    assert len(ledger.offer_of("p1").outcomes) == 1


def test_the_audit_trail_cannot_be_changed_in_place(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con, con:
        for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                con.execute(statement)


@pytest.mark.parametrize("table", ["proposals", "decisions", "outcomes"])
def test_what_was_recorded_stands(ledger: Ledger, tmp_path: Path, table: str) -> None:
    ledger.decide(make_decision("p1", decided_at=now()))
    ledger.record_outcome(Outcome(proposal_id="p1", status="applied", detail=""), "agent:apply")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con, con:
        for statement in (f"UPDATE {table} SET body = '{{}}'", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="stands"):
                con.execute(statement)


def test_an_answer_forged_behind_the_triggers_is_found(ledger: Ledger, tmp_path: Path) -> None:
    ledger.decide(make_decision("p1", verdict="reject", decided_at=now()))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con, con:
        con.execute("DROP TRIGGER decisions_stand_update")
        con.execute("UPDATE decisions SET body = replace(body, 'reject', 'approve')")
    found = ledger.verify()
    assert not found.ok and "altered" in found.problem


def test_a_row_that_comes_while_the_trail_is_checked_breaks_nothing(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = audit.rows

    def and_then_another(con: sqlite3.Connection) -> Iterator[audit.AuditRow]:
        yield from rows(con)
        with closing(Ledger(tmp_path / "ledger.db")) as other:
            other.open_thread("t9", "sales", "all")

    monkeypatch.setattr(audit, "rows", and_then_another)
    assert ledger.verify().ok


def test_what_becomes_of_a_change_is_told_of_the_offer_that_was_approved(tmp_path: Path) -> None:
    with closing(make_ledger(tmp_path / "ledger.db", "p1")) as ledger:
        ledger.decide(make_decision("p1", decided_at=now()))
        ledger.delivered("t1", ledger.undelivered()["t1"])
        ledger.open_thread("t2", "flights", "all")
        assert ledger.offer("t2", [open_proposal("p1")], "agent:rank") == ("p1",)
        undone = Outcome(proposal_id="p1", status="undone", detail="taken back")
        ledger.record_outcome(undone, "person:ada")
        (waiting,) = ledger.offers(waiting=True)
        assert (waiting.round, waiting.outcomes) == (2, ())
        (refusal,) = ledger.refusals("flights").values()
        assert refusal.outcome == undone
        assert ledger.verify().ok


def test_an_idea_that_is_about_to_be_made_is_not_offered_by_another_run(tmp_path: Path) -> None:
    with closing(make_ledger(tmp_path / "ledger.db", "p1")) as ledger:
        ledger.decide(make_decision("p1", decided_at=now()))
        again = [open_proposal("p1"), open_proposal("p2")]
        assert ledger.offer("t2", again, "agent:rank") == ("p2",)
        assert ledger.offer("t1", again[:1], "agent:rank") == ("p1",)
        assert ledger.offer_of("p1").thread_id == "t1"
