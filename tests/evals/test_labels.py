"""Grades that people give: blind, kept one by one, compared with the oracle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.errors import NoResult, UnknownName
from evals.labels import (
    Labels,
    agreement,
    graders,
    labels_path,
    questions,
    read_labels,
    write_labels,
)
from evals.results import SuiteResult
from evals.views import document as document_of
from tests.commands import document, invoke, refusal
from tests.evals.factories import make_judged, make_result, make_scenario

ADVICE = ("Store it as a number: the workload runs ×2.00 as fast.", "Risk: \x1b[2Jlater rows.")


@pytest.fixture
def result() -> SuiteResult:
    judged = [
        make_judged(verdict, id=f"p{n}", told=ADVICE)
        for n, verdict in enumerate(("good", "harmful", "good"))
    ]
    return make_result(make_scenario(proposals=tuple(judged)))


@pytest.fixture
def run(result: SuiteResult, tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document_of(result)))
    return path


def graded(result: SuiteResult, run: Path, grader: str, *answers: bool) -> Labels:
    asked = questions(result, Labels(grader=grader))
    by_id = sorted(asked, key=lambda question: question.judged.id)
    labels = tuple(q.label(a) for q, a in zip(by_id, answers, strict=False))
    given = Labels(grader=grader, labels=labels)
    write_labels(labels_path(run, grader), given)
    return given


def test_what_is_graded_is_not_asked_again_and_the_order_stays() -> None:
    many = tuple(make_judged("good", id=f"p{n}") for n in range(20))
    result = make_result(make_scenario(proposals=many))
    asked = questions(result, Labels(grader="ada"))
    assert asked == questions(result, Labels(grader="ada"))
    given = Labels(grader="ada", labels=(asked[0].label(True),))
    assert questions(result, given) == asked[1:]


def test_agreement_counts_what_both_judged(result: SuiteResult, run: Path) -> None:
    graded(result, run, "ada", True, False, True)
    graded(result, run, "bob", True, True)
    found = {tuple(pair["judges"]): pair for pair in agreement(result, graders(run))}
    assert (found["ada", "oracle"]["same"]["count"], found["ada", "oracle"]["kappa"]) == (3, 1.0)
    assert found["bob", "ada"]["same"]["of"] == 2
    assert found["bob", "oracle"]["same"]["count"] == 1


def test_a_file_that_holds_no_grades_is_named(run: Path) -> None:
    path = labels_path(run, "ada")
    path.write_text("[]")
    with pytest.raises(NoResult, match="holds no grades"):
        read_labels(path, "ada")


@pytest.mark.parametrize("grader", ["", "../ada", "a b", "x" * 41, "oracle"])
def test_a_grader_is_a_plain_name(grader: str, run: Path) -> None:
    with pytest.raises(UnknownName, match="letters, digits"):
        labels_path(run, grader)


def test_a_person_grades_stops_and_goes_on(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    asking = ("eval", "label", str(run), "--grader", "ada")
    first = invoke(home, *asking, stdin="perhaps\ny\nq\n")
    assert first.exit_code == 0, first.output
    assert "1 of 3: change_type" in first.stdout
    assert "\x1b" not in first.stdout and "good" not in first.stdout.split("ada and")[0]
    rest = invoke(home, *asking, stdin="n\ntoo risky\ny\n")
    assert "2 of 2" in rest.stdout and "ada and oracle: the same answer" in rest.stdout
    held = read_labels(labels_path(run, "ada"), "ada").labels
    assert [label.reason for label in held if not label.approves] == ["too risky"]
    (pair,) = document(home, *asking)
    assert (pair["judges"], pair["same"]["of"]) == (["ada", "oracle"], 3)


def test_a_run_without_proposals_says_that_there_is_nothing_to_grade(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document_of(make_result(make_scenario()))))
    asked = invoke(tmp_path / "home", "eval", "label", str(path), "--grader", "ada")
    assert asked.exit_code == 0
    assert "No proposal of this run waits" in asked.stdout and "Nothing of it" in asked.stdout


def test_answers_that_end_early_are_kept(run: Path, tmp_path: Path) -> None:
    asking = ("eval", "label", str(run), "--grader", "ada")
    stopped = invoke(tmp_path / "home", *asking, stdin="y\n")
    assert stopped.exit_code != 0 and "Traceback" not in stopped.output
    assert len(read_labels(labels_path(run, "ada"), "ada").labels) == 1


def test_a_bad_name_is_a_sentence(run: Path, tmp_path: Path) -> None:
    said = refusal(invoke(tmp_path / "home", "eval", "label", str(run), "--grader", "../ada"))
    assert "Unknown grader" in said
