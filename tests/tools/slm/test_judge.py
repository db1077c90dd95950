"""The judge as it serves: bounded, explained, and nothing but numbers in its file."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from tests.answers import make_facts, make_judge
from tests.strategies import of
from tools.slm.facts import Facts
from tools.slm.features import NAMES, History, row_of
from tools.slm.judge import Judge, Tree, Trees


def stump(feature: str, at: float, below: float, above: float) -> Tree:
    """Return a tree that asks one question."""
    return Tree(
        feature=(NAMES.index(feature), -2, -2), threshold=(at, -2.0, -2.0), left=(1, -1, -1),
        right=(2, -1, -1), value=(0.0, below, above),
    )  # fmt: skip


def test_a_weighted_sum_becomes_a_probability() -> None:
    p = make_judge(gain=2.0).probability("sort_table", make_facts(3.0), History())
    assert p == pytest.approx(1 / (1 + math.exp(-2 * math.log(3.0))))


def test_trees_are_walked_to_their_leaves() -> None:
    grown = Trees(trees=(stump("gain", 0.5, -1.0, 2.0),) * 2, rate=0.5, intercept=0.25)
    low, high = (row_of("sort_table", make_facts(g), History()) for g in (1.1, 9.0))
    assert (grown.score(low), grown.score(high)) == (0.25 - 1.0, 0.25 + 2.0)


@given(facts=of(Facts))
def test_a_probability_lies_between_0_and_1_whatever_the_facts(facts: Facts) -> None:
    opinion = make_judge(gain=50.0, insert_cost=-50.0).opinion("nonsense", facts, History())
    assert 0 <= opinion.probability <= 1
    assert opinion.held == (opinion.probability < 0.4)


def test_what_speaks_against_a_proposal_is_said_with_its_numbers() -> None:
    judge = make_judge(gain=2.0, insert_cost=-3.0)
    told = judge.against("sort_table", make_facts(1.05, insert=2.0), History())
    assert told == "the gain is ×1.05 (at least ×1.00); inserts take ×2.00 as long"


def test_a_kind_that_is_never_approved_is_named_with_its_record() -> None:
    judge = make_judge(history_of_kind=2.0)
    told = judge.against("drop_column", make_facts(), History(5, 9, 0, 4))
    assert told == "of its kind, drop_column, 0 of 4 were approved here"


@pytest.mark.parametrize(
    ("weights", "fields", "said"),
    [
        ({"warnings": -3.0}, {"warnings": 1}, "the contract has 1 warning and 0 notes on it"),
        ({"losing": -90.0}, {"losing": 0.004}, "queries that are <1 % of the workload get slower"),
        ({"risks": -3.0}, {"risks": 1}, "it states 1 risk and touches 0 other products"),
        (
            {"rehearsed": 3.0}, {"rehearsed": 0.0},
            "its undo was not rehearsed, it states 0 risks and touches 0 other products",
        ),
        (
            {"equal": 3.0}, {"equal": 0.0},
            "it changes results, it states 0 risks and touches 0 other products",
        ),
        ({"rows": 3.0}, {"rows": math.log1p(1)}, "the table has 1 row"),
        ({"given": -3.0}, {"given": 1}, "it builds on 1 other proposal"),
        ({"again": -3.0}, {"again": 1.0}, "it was refused before"),
    ],
)  # fmt: skip
def test_what_speaks_against_a_proposal_is_what_it_is(
    weights: dict[str, float], fields: dict[str, float], said: str
) -> None:
    facts = make_judge().typical.model_copy(update=fields)
    assert make_judge(**weights).against("sort_table", facts, History()) == said


def test_a_proposal_that_builds_on_none_is_not_said_to() -> None:
    judge = make_judge(given=3.0)
    usual = judge.model_copy(update={"typical": judge.typical.model_copy(update={"given": 2})})
    told = usual.against("sort_table", judge.typical, History())
    assert told == "it builds on no other proposal"


def broken(path: str, value: Any) -> str:
    body = json.loads(make_judge().model_dump_json())
    place = body
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    place[last] = value
    return json.dumps(body)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("model.form", "pickle"),
        ("model.weights", [1.0]),
        ("model.scales", [0.0] * len(NAMES)),
        ("model.intercept", "__import__('os')"),
        ("threshold", 1.5),
        ("slope", None),
        ("extra", 1),
    ],
)
def test_a_file_with_anything_else_in_it_is_no_judge(path: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Judge.model_validate_json(broken(path, value))


def test_a_number_that_is_none_makes_no_judge() -> None:
    with pytest.raises(ValidationError):
        Judge.model_validate_json(make_judge().model_dump_json().replace("1.0", "NaN", 1))


def test_a_tree_that_leads_back_to_itself_is_no_tree() -> None:
    good = stump("gain", 0.5, -1.0, 2.0).model_dump()
    for bad in ({"left": (0, -1, -1)}, {"right": (9, -1, -1)}, {"feature": (9999, -2, -2)},
                {"value": ()}):  # fmt: skip
        with pytest.raises(ValidationError, match="tree"):
            Tree.model_validate(good | bad)
