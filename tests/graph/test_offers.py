"""What waits is told with what later runs found of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph.ledger import Ledger, now
from graph.offer_rows import LATER
from tests.factories import make_decision, make_evidence, make_interval, make_timing, make_trial
from tests.ledgers import make_ledger, open_proposal
from tools.messages import Trial, TrialStatus


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = make_ledger(tmp_path / "ledger.db", "p1", "p2")
    ledger.open_thread("t2", "flights", "all")
    return ledger


def tried(status: TrialStatus = "rejected", **fields: Any) -> Trial:
    trial = make_trial(status, reason="too little", **fields)
    return trial.model_copy(update={"candidate": trial.candidate.model_copy(update={"id": "p1"})})


def test_what_a_later_run_found_stands_with_what_waits(ledger: Ledger) -> None:
    evidence = make_evidence(ratio=make_interval(1.01, 0.02), given=("p2", "p3"))
    ledger.record_trials("t2", "flights", [tried(evidence=evidence)])
    first, second = ledger.offers(waiting=True)
    assert second.remeasured is None
    found = first.remeasured
    assert found is not None
    assert (found.run, found.status, found.reason) == ("t2", "rejected", "too little")
    assert (found.ratio, found.beside) == (evidence.ratio, 2)


def test_the_last_of_several_runs_counts(ledger: Ledger) -> None:
    ledger.open_thread("t3", "flights", "all")
    ledger.record_trials("t2", "flights", [tried(evidence=make_evidence())])
    ledger.record_trials("t3", "flights", [tried("refused", evidence=None)])
    found = ledger.offer_of("p1").remeasured
    assert found is not None
    assert (found.run, found.status, found.ratio) == ("t3", "refused", None)


def test_other_answers_have_no_gain_to_tell(ledger: Ledger) -> None:
    unequal = make_evidence(queries=(make_timing(equal=False),))
    ledger.record_trials("t2", "flights", [tried(evidence=unequal)])
    found = ledger.offer_of("p1").remeasured
    assert found is not None and found.ratio is None


@pytest.mark.parametrize("status", ["unmeasured", "failed", "accepted", "suppressed"])
def test_a_run_that_found_nothing_against_it_is_no_news(
    ledger: Ledger, status: TrialStatus
) -> None:
    ledger.record_trials("t2", "flights", [tried(status, evidence=None)])
    assert ledger.offer_of("p1").remeasured is None


def test_the_run_that_offers_it_is_no_later_one(ledger: Ledger) -> None:
    ledger.record_trials("t2", "flights", [tried(evidence=None)])
    ledger.offer("t2", [open_proposal("p1")], "agent:rank")
    ledger.record_trials("t1", "flights", [tried(evidence=None)])
    assert ledger.offer_of("p1").thread_id == "t2"
    ledger.record_trials("t2", "flights", [tried(evidence=None)])
    ledger.decide(make_decision("p1", decided_at=now()))
    assert ledger.offer_of("p1").remeasured is None


def test_what_was_tried_before_the_offer_is_no_later_run(ledger: Ledger) -> None:
    ledger.record_trials("t2", "flights", [tried(evidence=None)])
    ledger.open_thread("t3", "flights", "all")
    ledger.offer("t3", [open_proposal("p1")], "agent:rank")
    assert ledger.offer_of("p1").remeasured is None


def test_runs_of_another_product_say_nothing(ledger: Ledger) -> None:
    ledger.open_thread("t4", "sales", "all")
    ledger.record_trials("t4", "sales", [tried(evidence=None)])
    assert ledger.offer_of("p1").remeasured is None


def test_many_runs_are_not_read_for_every_question(ledger: Ledger) -> None:
    plan = ledger._con.execute(
        f"EXPLAIN QUERY PLAN {LATER}",
        {"id": "p1", "product": "flights", "thread": "t1", "since": ""},
    ).fetchall()
    assert any("SEARCH r USING" in row[-1] for row in plan)
