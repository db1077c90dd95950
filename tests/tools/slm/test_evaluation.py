"""Held-out quality: counted right, and with the mistakes shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.answers import make_examples, make_judge
from tools.slm.evaluation import auc, evaluate


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2))
def test_auc_is_how_often_an_approved_one_stands_above_a_rejected_one(
    cases: list[tuple[float, bool]],
) -> None:
    p, y = np.array([c[0] for c in cases]), np.array([c[1] for c in cases])
    pairs = [(a > b) + (a == b) / 2 for a in p[y] for b in p[~y]]
    found = auc(p, y)
    assert found != found if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_a_judge_that_weighs_the_gain_is_ahead_of_even_odds_and_behind_the_truth() -> None:
    examples = make_examples(120)
    judge = make_judge(gain=6.0, insert_cost=-3.0)
    truth = [float(e.approved) for e in examples]
    found = evaluate(judge, examples, {"rules": [0.5] * 120, "serving": truth}, "time")
    assert found.beats("rules") and not found.beats("serving") and not found.beats("nobody")
    assert found.ahead["serving"]["brier"].high < 0
    assert found.metrics["serving"]["accuracy"].value == 1


def test_mistakes_are_shown_with_why_the_most_certain_first() -> None:
    found = evaluate(make_judge(gain=-6.0), make_examples(60), {}, "time")
    doubts = [abs(f.probability - 0.5) for f in found.failures]
    assert doubts == sorted(doubts, reverse=True) and len(doubts) == 8
    assert all(f.approved == (f.probability < 0.5) for f in found.failures)


def test_with_one_answer_of_a_kind_what_cannot_be_said_is_left_out() -> None:
    approved = [e for e in make_examples(40) if e.approved]
    found = evaluate(make_judge(gain=6.0), approved, {}, "time")
    assert "auc" not in found.metrics["judge"] and found.holding.rejected_held is None
