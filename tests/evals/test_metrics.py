from __future__ import annotations

import pytest

from evals.metrics import acceptance_by, agreement, by_approver, measured, not_in_place
from evals.page import page
from evals.views import lines
from tests.evals.factories import make_gain, make_judged, make_result, make_scenario


def test_what_is_undecided_counts_against_acceptance() -> None:
    found = measured([make_scenario("good", "undecided"), make_scenario("neutral", "harmful")])
    assert (found["acceptance"].count, found["acceptance"].of) == (1, 4)
    assert found["harmless"].count == 2
    assert found["undecided"].count == 1


def test_recall_counts_what_was_known_and_missed() -> None:
    found = measured([make_scenario(known=("a", "b"), found=("a",))])
    assert (found["recall"].count, found["recall"].of) == (1, 2)
    found = measured([make_scenario(known=("a", "b"), found=("a", "b"), found_good=("b",))])
    assert (found["recall"].count, found["recall_offered"].count) == (1, 2)


def test_what_gains_nothing_beside_what_was_approved_was_not_missed() -> None:
    scenario = make_scenario(known=("a", "b", "c"), found=("a",), superseded=("b",))
    assert (measured([scenario])["missed"].count, measured([scenario])["missed"].of) == (1, 3)


def test_results_that_did_not_ask_what_was_missed_do_not_say_it() -> None:
    assert "missed" not in measured([make_scenario(known=("a", "b"), found=("a",))])


def test_harm_is_what_anybody_but_the_oracle_would_let_through() -> None:
    found = measured([make_scenario("harmful", "good")])
    assert (found["harm"].count, found["harm"].of) == (1, 2)
    refused = make_judged("harmful", approvals={"oracle": False, "strict_dba": False})
    found = measured([make_scenario(proposals=(refused, make_judged(id="p2")))])
    assert (found["harm"].count, found["harm"].of) == (0, 1)
    assert (found["harmful"].count, found["harmful"].of) == (1, 2)


def test_reach_compares_what_was_reached_with_the_best() -> None:
    half = make_scenario("good", reached=make_gain(2.0), reachable=make_gain(4.0))
    none = make_scenario(reachable=make_gain(4.0))
    found = measured([half, none])
    assert found["reach"].value == (0.5 + 0.25) / 2
    assert found["silent_reach"].value == 0.25


def test_more_than_the_author_reached_hides_no_other_loss() -> None:
    more = make_scenario("good", reached=make_gain(9.0), reachable=make_gain(3.0))
    assert measured([more])["reach"].value == 1


def test_a_product_that_failed_reached_nothing_and_is_a_failure() -> None:
    failed = make_scenario(
        "good", reached=make_gain(4.0), reachable=make_gain(4.0), failure="inserts fail"
    )
    found = measured([failed])
    assert found["reach"].value == 0.25
    assert found["failures"].count == 1


def test_a_product_that_failed_before_its_best_was_judged_reached_nothing() -> None:
    died = make_scenario(known=("a",), failure="the scenario's process died (signal 11)")
    found = measured(
        [died, make_scenario("good", reached=make_gain(4.0), reachable=make_gain(4.0))]
    )
    assert found["reach"].value == 0.5
    assert (found["recall"].count, found["recall"].of) == (0, 1)


def test_time_saved_is_a_share_of_what_can_be_saved_and_nothing_for_doing_nothing() -> None:
    four = make_gain(4.0)
    half = make_scenario("good", reached=make_gain(1.6), reachable=four)
    more = make_scenario("good", reached=make_gain(5.0), reachable=four)
    for scenario, share in ((half, 0.5), (more, 1.0), (make_scenario(reachable=four), 0.0)):
        assert measured([scenario])["saved"].value == pytest.approx(share)
    slower = make_scenario("neutral", reached=make_gain(0.5), reachable=four)
    assert measured([slower])["saved"].value == 0
    assert measured([half, make_scenario()])["unreferenced"].value == 0.5


def test_what_was_approved_has_to_be_in_place() -> None:
    outcomes = ("verified", "unproven", "failed", "rolled_back")
    judged = [make_judged("good", id=o, outcome=o) for o in outcomes]
    refused = make_judged("neutral", id="p9", outcome="")
    found = measured([make_scenario(proposals=(*judged, refused))])["in_place"]
    assert (found.count, found.of) == (2, 4)


def test_what_did_not_stay_is_named_with_the_reason() -> None:
    gone = make_judged(
        "good", outcome="rolled_back", outcome_detail="rolled back: ×0.80 (×0.70 to ×0.90) on live"
    )
    kept, refused = make_judged(outcome="verified"), make_judged("neutral")
    scenario = make_scenario(proposals=(kept, gone, refused))
    assert not_in_place([scenario]) == [gone]
    said = [line for line in lines(make_result(scenario)) if "not in place" in line]
    assert said == [
        "  not in place: raw_text:1: change_type sales.amount: rolled_back: rolled back: ×0.80"
        " (×0.70 to ×0.90) on live"
    ]
    assert "rolled_back: rolled back: ×0.80" in page(make_result(scenario))


def test_a_best_product_that_gains_nothing_is_no_reference() -> None:
    slower = make_scenario("good", reachable=make_gain(0.98), reached=make_gain(1.0))
    found = measured([slower, make_scenario("good", reachable=make_gain(2.0))])
    assert (found["unreferenced"].count, found["unreferenced"].of) == (1, 2)


def test_an_advisor_that_never_came_to_work_took_no_time() -> None:
    died = make_scenario(failure="it could not be registered")
    found = measured([died, make_scenario(cpu_seconds=8.0)])["cpu_seconds"]
    assert (found.value, found.of) == (8.0, 1)


def test_an_interval_for_other_families_is_wider_than_one_for_other_seeds() -> None:
    seeds = range(6)
    scenarios = [make_scenario("good", known=("a",), found=("a",), seed=s) for s in seeds]
    scenarios += [make_scenario("neutral", known=("b",), family="tiny", seed=s) for s in seeds]
    found = measured(scenarios)
    for share in ("acceptance", "recall"):
        seeds_only, families = found[share], found[f"{share}_families"]
        assert families.value == seeds_only.value == 0.5
        assert families.low < seeds_only.low and families.high > seeds_only.high


def test_silence_is_right_where_there_is_nothing_and_needs_a_reason() -> None:
    silent = make_scenario(expects="nothing", explained=False)
    found = measured([silent, make_scenario("neutral", expects="nothing")])
    assert (found["quiet"].count, found["quiet"].of) == (1, 2)
    assert (found["explained"].count, found["explained"].of) == (0, 1)


def test_a_product_that_failed_was_not_left_in_peace() -> None:
    found = measured([make_scenario(expects="nothing", failure="it died")])
    assert found["quiet"].count == 0
    assert "explained" not in found


def test_rules_of_thumb_are_only_measured_where_they_were_asked_for() -> None:
    assert "rules_acceptance" not in measured([make_scenario("good")])
    ruled = make_scenario("good", rules=(make_judged(), make_judged("harmful", id="p2")))
    assert measured([ruled])["rules_acceptance"].value == 0.5
    assert measured([ruled])["rules_harm"].count == 1


def test_acceptance_is_told_by_kind_and_by_family() -> None:
    scenarios = [
        make_scenario("good"),
        make_scenario(family="tiny", proposals=(make_judged("harmful", kind="create_index"),)),
    ]
    assert {k: e.value for k, e in acceptance_by(scenarios, "kind").items()} == {
        "change_type": 1,
        "create_index": 0,
    }
    assert acceptance_by(scenarios, "family")["tiny"].value == 0


def test_agreement_is_told_for_each_two_approvers() -> None:
    pairs = agreement([make_scenario("good", "harmful")])
    assert len(pairs) == 10
    (found,) = (p for p in pairs if p["approvers"] == ["impatient", "oracle"])
    assert found["same"].value == 0.5


def test_what_one_of_two_approvers_left_open_is_no_agreement_of_theirs() -> None:
    both, alone = ({"oracle": True, "impatient": True}, {"oracle": True})
    judged = tuple(make_judged(approvals=a) for a in (both, alone, alone))
    (found,) = agreement([make_scenario(proposals=judged)])
    assert (found["same"].count, found["same"].of) == (1, 1)


def test_each_approver_is_held_against_the_oracle() -> None:
    found = by_approver([make_scenario("good", "harmful", "neutral")])
    assert found["oracle"]["approved"].count == 1
    assert found["oracle"]["harm"].count == 0
    assert (found["impatient"]["harm"].count, found["impatient"]["harm"].of) == (1, 3)


def test_no_scenario_has_no_metric() -> None:
    assert measured([]) == {}
    assert agreement([]) == []
    assert by_approver([]) == {}
