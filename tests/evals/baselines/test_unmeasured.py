from __future__ import annotations

from evals.baselines.unmeasured import rules_of_thumb, unmeasured
from tests.factories import make_change, make_trial
from tools.messages import AddNotNull, Change, CreateIndex, SortTable, TableName, Trial

FLIGHTS = TableName(name="flights")


def tried(change: Change, promise: float, status: str = "rejected") -> Trial:
    trial = make_trial(status, change)  # type: ignore[arg-type]
    candidate = trial.candidate.model_copy(update={"promise": promise})
    return trial.model_copy(update={"candidate": candidate})


def test_rules_of_thumb_are_every_idea_that_the_contract_allows() -> None:
    allowed, refused = tried(make_change(), 1), tried(make_change(column="b"), 9, "refused")
    assert list(rules_of_thumb([allowed, refused])) == [allowed.candidate.id]


def test_without_measurement_the_finders_own_estimate_ranks() -> None:
    light, heavy = tried(make_change(), 1.0), tried(make_change(column="b"), 5.0)
    refused = tried(make_change(column="c"), 9.0, "refused")
    found = unmeasured([light, heavy, refused])
    assert list(found) == [heavy.candidate.id, light.candidate.id]


def test_what_the_finder_expects_nothing_of_is_left_out_unless_it_is_a_rule() -> None:
    textbook = tried(CreateIndex(table=FLIGHTS, columns=("a",), name="i"), 0.001)
    rule = tried(AddNotNull(table=FLIGHTS, column="a"), 0.0)
    assert list(unmeasured([textbook, rule])) == [rule.candidate.id]


def test_a_table_gets_one_order() -> None:
    best, other = (
        tried(SortTable(table=FLIGHTS, order_by=(c,)), p) for c, p in (("a", 2), ("b", 1))
    )
    assert list(unmeasured([other, best])) == [best.candidate.id]
