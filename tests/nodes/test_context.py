"""What nodes are given: the records in memory and the ledger keep the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graph.ledger import Ledger, now
from nodes.context import Records
from tests.factories import make_outcome, make_proposal, make_trial
from tests.fakes import FakeProduct, MemoryRecords, make_context


@pytest.fixture(params=["memory", "ledger"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    with closing(Ledger(tmp_path / "ledger.db")) as ledger:
        yield ledger


def test_trials_belong_to_their_run_and_the_last_verdict_counts(records: Records) -> None:
    trial = make_trial()
    later = trial.model_copy(update={"status": "suppressed"})
    for verdict in (trial, later):
        records.record_trials("t1", "flights", [verdict])
    assert (records.trials("t1"), records.trials("t2")) == ([later], [])


def test_the_first_offer_of_a_run_stands(records: Records) -> None:
    first = make_proposal(expires_at=now())
    records.offer("t1", [first], "agent:rank")
    records.offer("t1", [make_proposal(summary="other")], "agent:rank")
    assert records.proposal(first.id) == first
    assert records.decision("t1", first.id) is None
    assert records.refusals("flights") == {}


def test_a_repeated_outcome_is_recorded_once(records: Records) -> None:
    proposal = make_proposal()
    records.offer("t1", [proposal], "agent:rank")
    for _ in range(2):
        records.record_outcome(make_outcome(proposal.id), "agent:verify")
    kept = records.outcomes if isinstance(records, MemoryRecords) else (
        records.offer_of(proposal.id).outcomes  # type: ignore[attr-defined]
    )  # fmt: skip
    assert list(kept) == [make_outcome(proposal.id)]


def test_an_agent_never_acts_as_a_person() -> None:
    principal = make_context(FakeProduct(), MemoryRecords()).principal("schema")
    assert (principal.kind, principal.name) == ("agent", "schema")
    assert principal.version
