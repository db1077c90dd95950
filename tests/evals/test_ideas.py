"""What is the same idea, and which offers of a second run waste a person's time."""

from __future__ import annotations

from typing import Any

import pytest

from evals.ideas import idea, repeated_within, second_run
from graph.ledger import Offer
from tests.evals.factories import make_judged
from tests.factories import (
    NOW,
    make_change,
    make_decision,
    make_evidence,
    make_interval,
    make_outcome,
    make_proposal,
    make_summary_proposal,
)
from tools.messages import CreateIndex, Outcome, Proposal, SortTable, TableName

FLIGHTS = TableName(name="flights")


def offered(proposal: Proposal, verdict: str = "", *outcomes: Outcome) -> Offer:
    decision = make_decision(proposal.id, verdict=verdict) if verdict else None
    return Offer(proposal, "t1", 1, NOW, decision, outcomes)


def measuring(ratio: float, **fields: Any) -> Proposal:
    return make_proposal(evidence=make_evidence(ratio=make_interval(ratio)), **fields)


def test_another_name_type_or_spelling_is_the_same_idea() -> None:
    summary = make_summary_proposal().change
    renamed = summary.model_copy(update={"summary": TableName(name="other"), "rewrites": ()})
    assert idea(summary) == idea(renamed)
    assert idea(make_change()) == idea(make_change(to_type="BIGINT"))
    one = CreateIndex(table=FLIGHTS, columns=("a",), name="i")
    assert idea(one) == idea(one.model_copy(update={"name": "j"}))
    assert idea(SortTable(table=FLIGHTS, order_by=("a",))) == idea(
        SortTable(table=FLIGHTS, order_by=("a", "b"))
    )


def test_another_column_or_kind_is_another_idea() -> None:
    changes = [
        make_change(),
        make_change(column="month"),
        SortTable(table=FLIGHTS, order_by=("month",)),
        CreateIndex(table=FLIGHTS, columns=("month",), name="i"),
    ]
    assert len({idea(c) for c in changes}) == 4


def test_repeats_within_a_run_are_counted_by_idea_or_by_id() -> None:
    judged = [make_judged(id="p1", idea="a"), make_judged(id="p2", idea="a"), make_judged(id="p3")]
    assert repeated_within(judged) == 1


@pytest.mark.parametrize(
    ("before", "now", "repeats"),
    [
        (offered(measuring(2.0), "reject"), measuring(2.0), True),
        (offered(measuring(2.0), "reject"), measuring(2.1, id="another"), True),
        (offered(measuring(2.0), "reject"), measuring(9.0), False),
        (offered(measuring(2.0), "approve", make_outcome()), measuring(9.0), True),
        (offered(measuring(2.0)), measuring(2.0), False),
        (offered(measuring(2.0), "reject"), make_summary_proposal(), False),
    ],
)
def test_an_answered_idea_is_a_repeat_unless_it_measures_otherwise(
    before: Offer, now: Proposal, repeats: bool
) -> None:
    found = second_run([before], [offered(now)])
    assert bool(found.repeats) is repeats
    assert len(found.offered) == 1


def test_what_is_in_place_was_not_refused() -> None:
    taken_back = make_outcome(status="rolled_back")
    refused = offered(make_proposal(make_change(column="a"), id="p2"), "reject")
    undone = offered(make_proposal(make_change(column="b"), id="p3"), "approve", taken_back)
    kept = offered(make_proposal(), "approve", make_outcome())
    assert second_run([refused, undone, kept], []).refused == 2
