"""Rules: every plan is found by its own example, and nothing but an order starts a run."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.asking.hostile import COMMANDS, HOSTILE
from tools.asking import rules
from tools.asking.plans import PLANS, STARTS, PlanName
from tools.asking.request import read_request
from tools.asking.rules import route


def plan_of(text: str) -> PlanName | None:
    return route(read_request(text)).plan


@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_is_found_by_the_example_it_is_offered_with(plan: PlanName) -> None:
    assert plan_of(PLANS[plan].example) == plan


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("Look for improvements in flights, please", "improve"),
        ("look for improvements of the schema only", "improve_schema"),
        ("can you look for queries to rewrite?", "improve_query"),
    ],
)
def test_an_order_to_look_starts_a_run(text: str, plan: PlanName) -> None:
    assert plan_of(text) == plan


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_requests_start_nothing(text: str) -> None:
    found = route(read_request(text))
    assert found.plan not in STARTS
    assert not STARTS.keys() & set(found.likeliest)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_after_an_order_takes_the_order_back(command: str) -> None:
    assert plan_of("look for improvements in flights") == "improve"
    assert plan_of(f"look for improvements in flights and {command}") not in STARTS
    assert plan_of(f"{command}, then look for improvements in flights") not in STARTS


@pytest.mark.parametrize(
    "text",
    [
        "why did you look for improvements?",
        "did you look for improvements in flights?",
        "do not look for improvements",
        "don't run the agents on sales",
        "never analyse flights",
        "stop the run and look for improvements",
        "when will you look for improvements",
    ],
)
def test_a_question_or_a_no_starts_nothing(text: str) -> None:
    assert plan_of(text) not in STARTS


@given(st.permutations([*COMMANDS[:4], *HOSTILE[:4], "flights", "look for improvements"]))
def test_commands_however_joined_start_nothing(texts: list[str]) -> None:
    assert plan_of(" ".join(texts)) not in STARTS


def test_rules_see_nothing_but_the_request() -> None:
    assert list(inspect.signature(rules.route).parameters) == ["request"]
    assert list(inspect.signature(rules.score).parameters) == ["request"]


def test_an_unsure_request_names_the_likeliest_plans() -> None:
    found = route(read_request("explain who approved the slow query that waits"))
    assert len(found.likeliest) == 3
    nothing = route(read_request("asdf"))
    assert (nothing.plan, nothing.likeliest) == (None, ("slow", "waiting", "meaning"))
