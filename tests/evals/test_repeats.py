from __future__ import annotations

import pytest

from evals.errors import NotComparable
from evals.options import Options
from evals.provenance import CodeState
from evals.repeats import MISSING, agreement
from tests.evals.factories import make_judged, make_result, make_scenario


def test_the_union_of_both_runs_ideas_is_compared() -> None:
    shared = make_judged("good", id="p1", idea="a")
    moved, other = make_judged("good", idea="b"), make_judged("neutral", idea="b")
    one = make_result(make_scenario(proposals=(shared, moved)))
    two = make_result(make_scenario(proposals=(shared, other, make_judged(idea="c"))))
    found = agreement(one, two)
    assert found.verdicts and (found.verdicts.count, found.verdicts.of) == (1, 3)
    assert found.proposed and found.proposed.count == 2
    assert [(i.idea, i.one, i.other) for i in found.apart] == [
        ("b", "good", "neutral"),
        ("c", MISSING, "good"),
    ]


def test_an_idea_that_is_proposed_twice_counts_twice() -> None:
    twice = (make_judged("good", id="p1", idea="a"), make_judged("neutral", id="p2", idea="a"))
    one = make_result(make_scenario(proposals=twice))
    found = agreement(one, make_result(make_scenario(proposals=twice[:1])))
    assert found.verdicts and (found.verdicts.count, found.verdicts.of) == (1, 2)


def test_silences_agree_too() -> None:
    one = make_result(make_scenario(), make_scenario(seed=2))
    two = make_result(make_scenario(), make_scenario("good", seed=2))
    found = agreement(one, two)
    assert found.silences and (found.silences.count, found.silences.of) == (1, 2)
    again = make_result(make_scenario(seconds=1.0), make_scenario(seed=2))
    assert agreement(one, again).verdicts is None


def test_a_run_does_not_agree_with_itself() -> None:
    one = make_result(make_scenario("good"))
    with pytest.raises(NotComparable, match="the same run"):
        agreement(one, one)


def test_runs_that_were_asked_otherwise_are_refused() -> None:
    quick, deep = Options(thorough=False), Options(thorough=True)
    with pytest.raises(NotComparable, match="differ in depth"):
        agreement(
            make_result(make_scenario(options=quick)), make_result(make_scenario(options=deep))
        )
    ruled = Options(thorough=False, baselines=("rules",))
    agreement(
        make_result(make_scenario("good", options=quick)),
        make_result(make_scenario("good", options=ruled)),
    )


def test_runs_of_other_scenarios_are_refused() -> None:
    with pytest.raises(NotComparable, match="raw_text:2"):
        agreement(make_result(make_scenario()), make_result(make_scenario(seed=2)))


def test_runs_of_different_code_are_no_repetition() -> None:
    states = [CodeState(version="1", sources=hashed, duckdb="2.0.0") for hashed in ("a", "b")]
    one, other = (make_result(make_scenario("good", code=state)) for state in states)
    with pytest.raises(NotComparable, match="Different states of the code"):
        agreement(one, other)
