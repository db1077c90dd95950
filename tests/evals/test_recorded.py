"""Runs of the suite as answers to learn from: dev seeds only, and only what has its facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.errors import NoResult
from evals.recorded import decisions_in
from evals.results import SuiteResult
from evals.suites import SPENT, TEST_SEEDS, UNSEEN
from evals.views import document as document_of
from graph.decisions import RECORDED
from tests.answers import make_facts
from tests.commands import invoke, refusal
from tests.evals.factories import make_judged, make_result, make_scenario


def run_of(seed: int) -> SuiteResult:
    proposals = (
        make_judged("good", facts=make_facts(2.0)),
        make_judged("harmful", id="p2", facts=make_facts(1.1)),
        make_judged("good", id="p3"),
    )
    return make_result(make_scenario(seed=seed, proposals=proposals))


def test_every_proposal_with_facts_becomes_an_answer_of_the_approver() -> None:
    found = decisions_in([run_of(3), run_of(2)])
    assert [(d.proposal_id, d.verdict, d.decided_at.day) for d in found] == [
        ("p1", "approve", 3), ("p2", "reject", 3), ("p1", "approve", 4), ("p2", "reject", 4),
    ]  # fmt: skip
    assert {d.product for d in found} == {"raw_text"}
    impatient = decisions_in([run_of(2)], "impatient")
    assert [d.verdict for d in impatient] == ["approve", "approve"]


def test_nothing_may_learn_from_test_seeds_that_are_not_spent() -> None:
    assert len(decisions_in([run_of(2), run_of(min(SPENT))])) == 4
    for seed in (min(UNSEEN), TEST_SEEDS[-1]):
        with pytest.raises(NoResult, match=f"raw_text:{seed} has a test seed"):
            decisions_in([run_of(2), run_of(seed)])


def test_runs_of_before_facts_were_kept_say_so() -> None:
    with pytest.raises(NoResult, match="run them again"):
        decisions_in([make_result(make_scenario("good"))])


def test_the_command_writes_what_training_reads(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document_of(run_of(2))))
    said = invoke(tmp_path / "home", "eval", "decisions", path, "--approver", "strict_dba")
    assert len(RECORDED.validate_json(said.stdout)) == 2
    call = ("eval", "decisions", path, "--approver", "strict_dba", "--json")
    assert invoke(tmp_path / "home", *call).stdout == said.stdout
    unknown = invoke(tmp_path / "home", "eval", "decisions", path, "--approver", "nobody")
    assert "strict_dba" in refusal(unknown, code=2)
