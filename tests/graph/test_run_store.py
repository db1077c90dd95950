"""Runs in the ledger: their state, their verdicts and what cut them off."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph import audit
from graph.errors import (
    UnknownThread,
)
from graph.ledger import Ledger
from tests.factories import make_trial
from tests.ledgers import make_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path / "ledger.db", "p1", "p2")


def test_verdicts_of_a_run_come_back_and_a_replay_replaces_them(ledger: Ledger) -> None:
    trial = make_trial()
    for status in ("unmeasured", "rejected"):
        ledger.record_trials("t1", "flights", [trial.model_copy(update={"status": status})])
    assert [t.status for t in ledger.trials("t1")] == ["rejected"]
    assert ledger.trials("t2") == []


def test_runs_are_listed_newest_first_and_told_apart(ledger: Ledger) -> None:
    ledger.open_thread("t2", "trips", "schema")
    ledger.set_thread("t2", "waiting")
    assert [t.id for t in ledger.threads()] == ["t2", "t1"]
    assert [t.id for t in ledger.threads(status="running")] == ["t1"]
    assert [t.id for t in ledger.threads("trips")] == ["t2"]
    with pytest.raises(UnknownThread, match="t404"):
        ledger.thread("t404")


def test_a_state_set_twice_is_one_row_of_the_trail(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.set_thread("t1", "done")
    assert [r.action for r in ledger.audit_rows()].count("run.done") == 1


def test_what_ended_in_the_middle_is_counted_until_its_run_gets_on(ledger: Ledger) -> None:
    assert [ledger.cut_off("t1", step, "gone") for step in ("a", "a", "b", "a")] == [1, 2, 1, 3]
    assert ledger.cut_off("t2", "a", "gone") == 1
    ledger.set_thread("t1", "waiting")
    assert ledger.cut_off("t1", "a", "gone") == 1
    ended = [r for r in ledger.audit_about(["t1"]) if r.action == audit.CUT_OFF]
    assert len(ended) == 5 and '"why": "gone"' in ended[0].body
    assert ledger.verify().ok
