"""Which approvals policy wants, and that everything else leaves a proposal open."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from graph.errors import AlreadyApproved, AlreadyDecided, NotAllowed
from graph.ledger import Ledger, now
from graph.policy import PolicyFile, PolicyUnusable
from tests.commands import document, invoke, refusal
from tests.factories import make_decision, make_proposal
from tests.ledgers import make_ledger
from tools import failpoints
from tools.messages import ChangeType, ContractVerdict, Decision, Finding, Principal, change_id

TWO = "[[rule]]\napprovals = 2\n"


def write(home: Path, text: str) -> None:
    (home / "policy.toml").write_text(text)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    write(tmp_path, TWO)
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def answer(by: str, verdict: str = "approve", **more: Any) -> Decision:
    who = Principal(kind="person", name=by)
    given = {"proposal_id": "p1", "channel": "http", "decided_at": now(), **more}
    return make_decision(verdict=verdict, principal=who, **given)


def test_without_a_policy_one_answer_settles(tmp_path: Path) -> None:
    ledger = make_ledger(tmp_path / "ledger.db", "p1")
    ledger.request_run("t1", Principal(kind="person", name="ada"))
    assert ledger.offer_of("p1").needed == 1
    assert ledger.decide(answer("ada")).decision is not None


def test_a_change_is_delivered_when_its_last_approval_comes(ledger: Ledger) -> None:
    first = ledger.decide(answer("ada"))
    assert (first.decision, first.needed) == (None, 2)
    assert [a.principal.name for a in first.approvals] == ["ada"]
    assert ledger.undelivered() == {}
    second = ledger.decide(answer("bob"))
    assert second.decision is not None and second.decision.principal.name == "bob"
    assert [d.proposal_id for d in ledger.undelivered()["t1"]] == ["p1"]
    actions = [(r.actor, r.action) for r in ledger.audit_rows() if r.subject == "p1"]
    assert actions[1:] == [
        ("person:ada", "proposal.approval"),
        ("person:bob", "proposal.approval"),
        ("person:bob", "proposal.approve"),
    ]
    assert ledger.verify().ok


@pytest.mark.parametrize("again", ["ada", "Ada"])
def test_the_same_person_twice_is_told_so(ledger: Ledger, again: str) -> None:
    ledger.decide(answer("ada"))
    with pytest.raises(AlreadyApproved, match="1 of 2"):
        ledger.decide(answer(again))
    assert len(ledger.offer_of("p1").approvals) == 1


def test_who_asked_for_the_run_may_reject_but_not_approve(ledger: Ledger) -> None:
    ledger.request_run("t1", Principal(kind="person", name="ada"))
    with pytest.raises(NotAllowed, match="asked for p1"):
        ledger.decide(answer("ada"))
    assert ledger.decide(answer("ada", "reject")).decision is not None


def test_a_program_that_asked_stands_in_nobodys_way(ledger: Ledger) -> None:
    ledger.request_run("t1", Principal(kind="agent", name="ada"))
    assert ledger.decide(answer("ada")).approvals


def test_who_edited_a_change_may_not_approve_what_came_of_it(ledger: Ledger) -> None:
    change = ledger.proposal("p1").change
    assert isinstance(change, ChangeType)
    edited = change.model_copy(update={"to_type": "HUGEINT"})
    ledger.decide(answer("ada", "edit", edited=edited))
    new = change_id("flights", edited)
    at = ledger.proposal("p1")
    ledger.offer("t1", [at.model_copy(update={"id": new, "change": edited})], "agent:rank")
    with pytest.raises(NotAllowed):
        ledger.decide(answer("ada", proposal_id=new))
    assert ledger.decide(answer("bob", proposal_id=new)).approvals


def test_a_rejection_by_one_is_final(ledger: Ledger) -> None:
    ledger.decide(answer("ada"))
    ledger.decide(answer("bob", "reject"))
    with pytest.raises(AlreadyDecided, match="reject by bob"):
        ledger.decide(answer("cem"))


def test_approvals_of_an_older_offer_do_not_count(ledger: Ledger) -> None:
    ledger.decide(answer("ada"))
    ledger.open_thread("t2", "flights", "all")
    ledger.offer("t2", [ledger.proposal("p1")], "agent:rank")
    assert ledger.offer_of("p1").approvals == ()
    assert ledger.decide(answer("bob")).decision is None


def test_an_approval_repeated_under_its_key_is_one(ledger: Ledger) -> None:
    given = answer("ada")
    for _ in range(2):
        (offer,) = ledger.decide_all([given], "ada:k")
    assert len(offer.approvals) == 1


def test_approvals_that_come_together_count_once_each(ledger: Ledger, tmp_path: Path) -> None:
    told: list[str] = []

    def approve(name: str) -> None:
        with closing(Ledger(tmp_path / "ledger.db")) as book:
            try:
                book.decide(answer(name))
            except (AlreadyApproved, AlreadyDecided) as exc:
                told.append(type(exc).__name__)

    people = [threading.Thread(target=approve, args=(n,)) for n in ("ada", "ada", "bob", "cem")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    settled = ledger.offer_of("p1")
    assert settled.decision is not None and len(settled.approvals) == 2
    assert len(told) == 2
    assert ledger.verify().ok


@pytest.mark.parametrize("statement", ["DELETE FROM approvals", "UPDATE approvals SET name = 'x'"])
def test_an_approval_stands(ledger: Ledger, tmp_path: Path, statement: str) -> None:
    ledger.decide(answer("ada"))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con:
        with pytest.raises(sqlite3.IntegrityError, match="stands"):
            con.execute(statement)


def test_an_approval_put_in_beside_the_trail_is_found(ledger: Ledger, tmp_path: Path) -> None:
    body = answer("eve").model_dump_json()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as con, con:
        con.execute("INSERT INTO approvals VALUES ('p1', 1, 'eve', ?, '')", (body,))
    assert "put in beside" in ledger.verify().problem


def test_terminals_do_not_count_where_policy_says_so(tmp_path: Path) -> None:
    write(tmp_path, "[[rule]]\napprovals = 1\nterminal = false\n")
    ledger = make_ledger(tmp_path / "ledger.db", "p1")
    with pytest.raises(NotAllowed, match="terminal does not count"):
        ledger.decide(answer("ada", channel="terminal"))
    assert ledger.decide(answer("ada")).decision is not None


WARNED = ContractVerdict(
    compatible=True, findings=(Finding(path="x", severity="warning", message="x"),)
)


@pytest.mark.parametrize(
    ("rule", "needed"),
    [
        ("approvals = 3", 3),
        ('products = ["flights"]\napprovals = 3', 3),
        ('products = ["sales"]\napprovals = 3', 1),
        ('kinds = ["change_type"]\napprovals = 3', 3),
        ('kinds = ["drop_table", "drop_column"]\napprovals = 3', 1),
        ("contract_warns = true\napprovals = 3", 1),
        ('approvals = 2\n[[rule]]\nkinds = ["change_type"]\napprovals = 4', 4),
    ],
)
def test_the_strictest_rule_about_a_proposal_counts(tmp_path: Path, rule: str, needed: int) -> None:
    write(tmp_path, f"[[rule]]\n{rule}\n")
    policy = PolicyFile(tmp_path).read()
    assert policy.needed(make_proposal(product="flights")).approvals == needed


def test_what_the_contract_warns_of_can_need_more(tmp_path: Path) -> None:
    write(tmp_path, "[[rule]]\ncontract_warns = true\napprovals = 2\n")
    assert PolicyFile(tmp_path).read().needed(make_proposal(contract=WARNED)).approvals == 2


@pytest.mark.parametrize(
    "text",
    [
        "[[rule", "[[rule]]\n", "[[rule]]\napprovals = 0\n", "[[rule]]\napprovals = '2'\nx = 1\n",
        "rules = []\n", "[[rule]]\napprovals = 2\nkinds = ['drop_everything']\n", "\ud800",
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_lets_nothing_be_approved(tmp_path: Path, text: str) -> None:
    ledger = make_ledger(tmp_path / "ledger.db", "p1")
    (tmp_path / "policy.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PolicyUnusable, match=r"policy\.toml"):
        ledger.decide(answer("ada"))
    assert ledger.offer_of("p1").needed is None
    assert ledger.decide(answer("ada", "reject")).decision is not None


def test_an_edit_of_the_policy_counts_at_once(ledger: Ledger, tmp_path: Path) -> None:
    write(tmp_path, "[[rule]]\napprovals = 1\n")
    os.utime(tmp_path / "policy.toml", ns=(1, 1))
    assert ledger.decide(answer("ada")).decision is not None


POINTS = [
    "ledger.approval.between", "ledger.before_commit", "ledger.after_commit",
    "ledger.approval.between:2", "ledger.decide.between", "ledger.before_commit:2",
    "ledger.after_commit:2",
]  # fmt: skip


@pytest.mark.crash
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_between_two_approvals_loses_nothing(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    ledger.close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", point)
        with closing(Ledger(tmp_path / "ledger.db")) as book:
            for name in ("ada", "bob"):
                book.decide(answer(name))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(Ledger(tmp_path / "ledger.db")) as book:
        for name in ("ada", "bob"):
            with suppress(AlreadyApproved, AlreadyDecided):
                book.decide(answer(name))
        settled = book.offer_of("p1")
        assert [a.principal.name for a in settled.approvals] == ["ada", "bob"]
        assert len(book.undelivered()["t1"]) == 1
        assert book.verify().ok


def test_the_terminal_says_who_approved_and_who_else_has_to(tmp_path: Path) -> None:
    write(tmp_path, TWO)
    make_ledger(tmp_path / "ledger.db", "p1").close()
    said = invoke(tmp_path, "decide", "p1", "approve")
    assert said.exit_code == 0
    assert "p1: 1 of 2 approvals (ada); it waits for others." in said.stdout
    assert "1 of 2 approvals (ada)" in invoke(tmp_path, "status").stdout
    assert "ada approved p1 already" in refusal(invoke(tmp_path, "decide", "p1", "approve"))
    reviewed = invoke(tmp_path, "review", stdin="a\ns\n").stdout
    assert "Policy: 1 of 2 approvals (ada)." in reviewed
    assert "ada approved p1 already" in reviewed
    (listed,) = document(tmp_path, "review")
    assert (len(listed["approvals"]), listed["approvals_needed"]) == (1, 2)


def test_doctor_and_serve_name_a_policy_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, "[[rule")
    doctor = invoke(tmp_path, "doctor")
    assert doctor.exit_code == 1 and "nothing can be approved" in doctor.stdout
    assert "policy.toml is no TOML" in refusal(invoke(tmp_path, "serve"))
