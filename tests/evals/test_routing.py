"""The labelled requests and what is measured on them; their figures are in ADR 14."""

from __future__ import annotations

from collections import Counter

import pytest

from evals.routing import (
    Family,
    Routed,
    by_model,
    by_rules,
    by_rules_and_model,
    families,
    measured,
    report,
    routed,
)
from tests.tools.asking.test_model import Says
from tools.asking.model import EXAMPLES, SecondOpinion
from tools.asking.plans import PLANS, STARTS
from tools.asking.rules import Routing

FAMILY = Family(plan="slow", name="n", split="dev", texts=("t",))


def test_every_plan_has_families_on_both_sides_and_there_are_enough_texts() -> None:
    sides = {(f.plan, f.split) for f in families()}
    assert sides == {(p, s) for p in (*PLANS, "none") for s in ("dev", "held_out")}
    texts = Counter(t.lower() for f in families() for t in f.texts)
    assert len(texts) >= 150 and max(texts.values()) == 1
    assert len({(f.plan, f.name) for f in families()}) == len(families())


def test_a_model_is_shown_no_held_out_text() -> None:
    held_out = {t for f in families() if f.split == "held_out" for t in f.texts}
    assert not held_out & {text for text, _ in EXAMPLES}


def test_rules_do_not_get_worse_than_when_they_were_measured() -> None:
    for split, least in (("dev", 1.0), ("held_out", 0.89)):
        found = measured(routed(split))
        assert found.right is not None and round(found.right.value, 2) >= least
        assert found.wrong is not None and found.wrong.value <= 0.01


def test_no_labelled_question_starts_a_run_by_mistake() -> None:
    for found in (*routed("dev"), *routed("held_out")):
        if found.routing.plan in STARTS:
            assert found.family.plan == found.routing.plan, found.text


@pytest.mark.parametrize(
    ("routing", "right", "offered"),
    [
        (Routing("slow", 1, ("slow",)), True, True),
        (Routing(None, 0.3, ("run", "slow")), False, True),
        (Routing(None, 0.3, ("run",)), False, False),
        (Routing("run", 1, ("run",)), False, False),
    ],
)
def test_asking_back_is_right_only_with_the_plan_among_the_choices(
    routing: Routing, right: bool, offered: bool
) -> None:
    found = Routed(FAMILY, "t", routing)
    assert (found.right, found.offered) == (right, offered)


def test_what_no_plan_answers_has_to_be_asked_back() -> None:
    none = FAMILY.model_copy(update={"plan": "none"})
    assert Routed(none, "t", Routing(None, 0, ())).right
    assert not Routed(none, "t", Routing("run", 1, ())).right


def test_a_model_is_asked_only_where_rules_are_not_sure() -> None:
    model = Says(" gain", 0.9)
    router = by_rules_and_model(SecondOpinion(model))
    assert router("what waits for me?").plan == "waiting" and not model.prompts
    assert router("asdf").plan == "gained" and model.prompts
    assert by_model(SecondOpinion(model))("what waits for me?").plan == "gained"


def test_the_report_is_a_row_with_intervals() -> None:
    found = [Routed(FAMILY, "t", by_rules("why is it slow?"))]
    assert report("rules", found).startswith("| rules | 1.00 (0.21–1.00) | 0.00 (0.00–0.79) |")
    assert report("nothing", []) == "| nothing | – | – | – | – |"
