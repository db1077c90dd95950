from __future__ import annotations

from evals.bias import splits
from tests.evals.factories import make_judged, make_scenario


def test_acceptance_is_split_by_what_it_should_not_depend_on() -> None:
    small = [make_judged("good", rows=10, author="wei")] * 10
    large = [make_judged("harmful", rows=10**6, author="amara")] * 10
    scenario = make_scenario(proposals=(*small, *large), log_runs=200)
    found = {split.by: split for split in splits([scenario])}
    assert {n: e.value for n, e in found["table size"].acceptance.items()} == {
        "under 10 000 rows": 1,
        "over 100 000 rows": 0,
    }
    assert found["author"].p is not None and found["author"].p < 0.01
    assert found["age of the log"].p is None
    assert list(found["kind"].acceptance) == ["change_type"]


def test_results_of_before_name_no_size_age_or_author() -> None:
    assert [split.by for split in splits([make_scenario("good")])] == ["kind"]
