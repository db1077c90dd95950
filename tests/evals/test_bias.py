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
    assert found["runs in the log"].p is None
    assert list(found["kind"].acceptance) == ["change_type"]


def test_a_table_at_the_bound_of_two_sizes_is_in_the_larger() -> None:
    judged = [make_judged("good", rows=rows) for rows in (9_999, 10_000)]
    found = {s.by: s for s in splits([make_scenario(proposals=tuple(judged))])}
    assert {n: e.of for n, e in found["table size"].acceptance.items()} == {
        "under 10 000 rows": 1, "10 000 to 100 000 rows": 1,
    }  # fmt: skip


def test_results_of_before_name_no_size_age_or_author() -> None:
    assert [split.by for split in splits([make_scenario("good")])] == ["kind"]


def test_a_product_is_as_old_as_its_log_is_long_however_often_it_is_asked() -> None:
    young = make_scenario("good", log_days=9, log_runs=5000)
    old = make_scenario("harmful", log_days=80, log_runs=100)
    found = {split.by: split.acceptance for split in splits([young, old])}
    ages = {n: e.value for n, e in found["age of the product"].items()}
    assert ages == {"under 2 weeks": 1, "over 6 weeks": 0}
    assert {n: e.value for n, e in found["runs in the log"].items()} == {
        "over 1 000 runs": 1,
        "under 300 runs": 0,
    }
