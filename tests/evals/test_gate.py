from __future__ import annotations

import pytest

from evals.errors import NotComparable
from evals.gate import BASELINE, compare, losses
from evals.options import Options
from evals.results import ScenarioResult
from evals.running import read_result
from evals.statistics import Estimate
from evals.suites import places
from tests.evals.factories import make_judged, make_result, make_scenario


def many(*verdicts: str, seeds: int = 12) -> tuple[ScenarioResult, ...]:
    return tuple(make_scenario(*verdicts, seed=s) for s in range(seeds))  # type: ignore[arg-type]


def test_a_clear_loss_is_found_and_a_clear_gain_is_none() -> None:
    good, bad = make_result(*many("good", "good")), make_result(*many("good", "neutral"))
    assert "acceptance" in {m.metric for m in losses(compare(good, bad))}
    assert losses(compare(bad, good)) == []


def test_what_stays_exactly_as_it_was_is_the_same() -> None:
    whole = Estimate(value=2.0, low=2.0, high=2.0, of=1)
    scenario = make_scenario("good", reached=whole, reachable=whole)
    moved = {m.metric: m for m in compare(make_result(scenario), make_result(scenario))}
    assert moved["reach"].by == (0.0, 0.0, 0.0)
    assert {m.verdict for m in moved.values()} == {"same"}


def test_what_may_be_chance_fails_nothing() -> None:
    before = make_result(make_scenario("good", "good", "good"))
    after = make_result(make_scenario("good", "good", "neutral"))
    assert losses(compare(before, after)) == []


def test_one_harmful_proposal_more_is_a_loss_and_one_less_is_none() -> None:
    before = make_result(make_scenario("good", "good", "good"))
    after = make_result(make_scenario("good", "good", "harmful"))
    assert [m.metric for m in losses(compare(before, after))] == ["harmful"]
    assert losses(compare(after, before)) == []


@pytest.mark.parametrize("changed", [{"exhaustive": True}, {"thorough": True}])
def test_runs_that_measure_otherwise_are_not_compared(changed: dict[str, bool]) -> None:
    before, after = (
        make_result(make_scenario("good", options=Options(**asked))) for asked in ({}, changed)
    )
    with pytest.raises(NotComparable, match="The runs differ in"):
        compare(before, after)
    other = Options(settings={"min_gain": 1.2})
    assert compare(before, make_result(make_scenario("good", options=other)))


def test_approved_changes_that_do_not_stay_are_a_loss() -> None:
    judged = tuple(make_judged(id=f"p{n}", outcome="verified") for n in range(8))
    gone = tuple(p.model_copy(update={"outcome": "failed"}) for p in judged)
    before, after = (make_result(make_scenario(proposals=ps)) for ps in (judged, gone))
    assert [m.metric for m in losses(compare(before, after))] == ["in_place"]
    assert losses(compare(after, before)) == []


def test_more_failures_are_a_loss() -> None:
    before = make_result(*many("good"))
    after = make_result(*(s.model_copy(update={"failure": "x"}) for s in many("good")))
    assert "failures" in {m.metric for m in losses(compare(before, after))}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"suite": "dev"}, "suite"),
        ({"approver": "impatient"}, "answered by"),
        ({"complete": False}, "not finished"),
    ],
)
def test_results_that_measure_different_things_are_refused(
    fields: dict[str, object], reason: str
) -> None:
    one = make_scenario("good")
    with pytest.raises(NotComparable, match=reason):
        compare(make_result(one), make_result(one, **fields))


def test_results_of_other_scenarios_are_refused() -> None:
    with pytest.raises(NotComparable, match="raw_text:2"):
        compare(make_result(make_scenario()), make_result(make_scenario(seed=2)))


def test_the_committed_baseline_is_the_smoke_suites() -> None:
    kept = read_result(BASELINE)
    assert (kept.suite, kept.approver, kept.complete) == ("smoke", "oracle", True)
    assert kept.covers == tuple(sorted(p.name for p in places("smoke")))
