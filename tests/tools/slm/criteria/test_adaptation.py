"""Learning curves: nested enough answers, both kinds in each set, intervals that hold the value."""

from __future__ import annotations

from functools import partial

import pytest

from tests.answers import make_examples
from tools.slm.criteria.adaptation import by_judge, by_rules, curve, sizes_of, subsets
from tools.slm.dataset import make_dataset
from tools.slm.fitting import Candidate, fit_linear

pytestmark = pytest.mark.xdist_group("learning")
EXAMPLES = make_dataset(make_examples(140)).examples
KNOWN, HELD_OUT = EXAMPLES[:90], EXAMPLES[90:]


def test_sizes_end_with_all_there_are() -> None:
    assert sizes_of(90) == [40, 80, 90]
    assert sizes_of(40) == [40] and sizes_of(20) == [20]
    assert max(sizes_of(5000)[:-1]) < 1000


def test_sets_are_drawn_the_same_again_and_hold_both_kinds() -> None:
    sets = subsets(KNOWN, 40)
    assert sets == subsets(KNOWN, 40) and len(sets) == 5
    assert all(0 < sum(e.approved for e in some) < 40 for some in sets)
    assert subsets(KNOWN, 90) == [list(KNOWN)]


def test_more_answers_teach_the_judge_more_than_they_teach_rules() -> None:
    way = Candidate("linear", partial(fit_linear, 0.1))
    judge = list(curve(KNOWN, HELD_OUT, by_judge(way, HELD_OUT)))
    rules = list(curve(KNOWN, HELD_OUT, by_rules(HELD_OUT)))
    assert [p.answers for p in judge] == [40, 80, 90]
    for point in (*judge, *rules):
        assert all(e.low <= e.value <= e.high for e in point.metrics.values())
    assert judge[-1].metrics["auc"].value > rules[-1].metrics["auc"].value
