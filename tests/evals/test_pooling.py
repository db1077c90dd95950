from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.errors import NotComparable
from evals.options import Options
from evals.page import page
from evals.pooling import played_by, pool, provenance
from evals.provenance import CodeState
from evals.results import BaselineResult, ScenarioResult, SecondRun, SuiteResult
from evals.running import read_result
from evals.views import document, lines
from tests.evals.factories import make_gain, make_judged, make_result, make_scenario

RULES = ("rules",)
NOTHING = SecondRun(offered=(), repeats=(), refused=0)


def make_code(sources: str = "aaaa", **fields: Any) -> CodeState:
    return CodeState(version="1", sources=sources, duckdb="2", **fields)


def played(seed: int, **fields: Any) -> ScenarioResult:
    """A scenario of whose numbers no two are alike."""
    verdicts = ("good", "neutral", "harmful")[: 1 + seed % 3]
    values: dict[str, Any] = {
        "seed": seed, "family": "tiny" if seed % 2 else "raw_text", "cpu_seconds": 1.0 + seed,
        "reached": make_gain(1.0 + seed / 7), "reachable": make_gain(3.0), "log_runs": 200 * seed,
        "known": ("a", "b"), "found": ("a",), "options": Options(baselines=RULES),
        "code": make_code(),
        "baselines": {"rules": BaselineResult(changes=(make_judged("harmful"),), found=("b",))},
    }  # fmt: skip
    return make_scenario(*verdicts, **(values | fields))


def as_run(*seeds: int, **fields: Any) -> SuiteResult:
    """A run whose scenarios lie in the order of a log."""
    scenarios = sorted((played(seed, **fields) for seed in seeds), key=lambda s: s.name)
    return make_result(*scenarios, suite="dev")


def test_parts_pooled_are_reported_as_if_they_had_been_one_run() -> None:
    whole, parts = as_run(1, 2, 3, 4, 5), {"a": as_run(4, 1, 3), "b": as_run(5, 2)}
    found = pool(parts)
    assert found == whole.model_copy(update={"runs": 2})
    told = document(found)
    assert (told.pop("runs"), told.pop("code")[0]["scenarios"]) == (2, 5)
    assert told == document(whole)
    said = provenance(found)
    assert list(lines(found))[0] == list(lines(whole))[0]
    assert [line for line in lines(found) if said not in line] == list(lines(whole))
    assert page(found).replace(f'<p class="note">{said}</p>', "") == page(whole)


def test_one_result_is_reported_as_it_is() -> None:
    alone = as_run(1, 2, options=None, code=None)
    assert pool({"a": alone}) is alone
    assert provenance(alone) == ""
    told = document(alone)
    assert not {"runs", "code"} & set(told)
    assert not {"options", "code"} & set(told["scenarios"][0])


def test_what_was_pooled_is_kept_and_can_be_pooled_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    both = pool({"a": as_run(1), "b": as_run(2)})
    path.write_text(json.dumps(document(both)))
    assert read_result(path) == both
    assert pool({"kept": both, "c": as_run(3)}).runs == 3


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (make_result(played(2), suite="full"), "suite dev in a, full in b"),
        (make_result(played(2), suite="dev", approver="impatient"), "approver oracle in a"),
        (as_run(2, options=Options(baselines=RULES, thorough=True)), "--thorough in b"),
        (as_run(2, options=Options(baselines=RULES, exhaustive=True)), "--exhaustive in b"),
        (as_run(2, options=Options()), "baselines rules in a, none in b"),
        (as_run(2, options=Options(baselines=RULES, model="x:Y z")), "model none in a, x:Y z"),
        (as_run(2, options=Options(baselines=RULES, settings={"min_gain": 2})), "min_gain=2 in b"),
        (as_run(2, 1), "tiny:1 is in a and in b"),
        (as_run(2, code=make_code("bbbb")), "1 by 1 (sources bbbb, DuckDB 2)"),
        (as_run(2, options=None, code=None, baselines={}), "baselines rules in a, none in b"),
        (as_run(2, options=None, second_runs={"answered": NOTHING}), "--quick in a, --thorough"),
    ],
)  # fmt: skip
def test_what_is_not_one_measurement_is_refused_with_the_reason(
    other: SuiteResult, said: str
) -> None:
    for parts in ({"a": as_run(1), "b": other}, {"a": as_run(1), "c": as_run(3), "b": other}):
        with pytest.raises(NotComparable) as caught:
            pool(parts)
        assert said in str(caught.value)


def test_different_code_is_pooled_only_when_asked_for_and_then_it_is_said() -> None:
    parts = {"a": as_run(1, 3), "b": as_run(2, code=make_code("bbbb"))}
    with pytest.raises(NotComparable, match="--pool-different-code"):
        pool(parts)
    found = pool(parts, different_code=True)
    assert "2 by 1 (sources aaaa, DuckDB 2); 1 by 1 (sources bbbb" in provenance(found)
    assert provenance(found) in "".join(lines(found)) and provenance(found) in page(found)


def test_an_unknown_state_is_pooled_and_said() -> None:
    found = pool({"a": as_run(1, options=None, code=None), "b": as_run(2), "c": as_run(3)})
    assert "2 by 1 (sources aaaa, DuckDB 2); 1 by code whose state was not" in provenance(found)
    assert document(found)["code"][1] == {"scenarios": 1, "state": None}


def test_two_commits_of_the_same_sources_are_one_state() -> None:
    parts = {"a": as_run(1, code=make_code(commit="c1")), "b": as_run(2, code=make_code(commit=""))}
    assert len(played_by(pool(parts))) == 1


def test_a_run_under_which_the_code_changed_says_so() -> None:
    changed = make_result(played(1), played(2, code=make_code("bbbb")), suite="dev")
    assert provenance(changed).startswith("Scenarios played: 1 by")


def test_a_part_that_was_not_finished_leaves_the_whole_unfinished() -> None:
    half = as_run(2).model_copy(update={"complete": False})
    assert "not finished" in next(iter(lines(pool({"a": as_run(1), "b": half}))))
