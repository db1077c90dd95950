"""What an assistant is told of a proposal, in lines."""

from __future__ import annotations

from pathlib import Path

from api.ide.words import in_words
from tests.factories import make_evidence, make_proposal, make_timing, make_trial
from tests.ledgers import make_ledger


def test_a_query_is_faster_only_where_its_interval_says_so(tmp_path: Path) -> None:
    even = make_timing("SELECT 2", 10.0, 9.9, ratio={"low": 0.98, "mid": 1.01, "high": 1.05})
    timings = (make_timing("SELECT 1", 20.0, 10.0), even, make_timing("SELECT 3", 10.0, 20.0))
    offer = make_ledger(tmp_path / "ledger.db", "p1").offer_of("p1")
    told = in_words(
        offer._replace(proposal=make_proposal(evidence=make_evidence(queries=timings)))
    ).splitlines()
    (faster,) = [line for line in told if "SELECT 1" in line]
    (same,) = [line for line in told if "SELECT 2" in line]
    (slower,) = [line for line in told if "SELECT 3" in line]
    assert faster.startswith("  faster ×2:") and slower.startswith("  slower ×0.5:")
    assert same.startswith("  no clear change, ×1.01:")


def test_what_a_later_run_found_is_told_where_it_waits(tmp_path: Path) -> None:
    ledger = make_ledger(tmp_path / "ledger.db", "p1")
    assert "later run" not in in_words(ledger.offer_of("p1"))
    ledger.open_thread("t2", "flights", "all")
    trial = make_trial(reason='too little\n"now"')
    candidate = trial.candidate.model_copy(update={"id": "p1"})
    ledger.record_trials("t2", "flights", [trial.model_copy(update={"candidate": candidate})])
    (line,) = [x for x in in_words(ledger.offer_of("p1")).splitlines() if "later run" in x]
    for part in ("run t2", "×0.82", "not worth it", r"too little \"now\""):
        assert part in line
