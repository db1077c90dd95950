"""A judge's card: what it says is so of few answers and of edits, too."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.answers import make_examples
from tools.slm.card import card
from tools.slm.dataset import make_dataset
from tools.slm.evaluation import Failure
from tools.slm.fitting import Candidate, fit_linear
from tools.slm.steps import Steps
from tools.slm.training import train

QUICK = (Candidate("linear", partial(fit_linear, 0.1)),)


def test_what_was_not_approved_is_not_said_to_be_rejected_and_one_is_not_many(
    tmp_path: Path,
) -> None:
    data = make_dataset(make_examples(80, products=1))
    found = train(data, Steps(tmp_path), ways=QUICK)
    wrong = Failure(
        product="sales", kind="sort_table", approved=False, probability=0.9, because="", facts={}
    )
    seen = found.evaluation.model_copy(update={"failures": [wrong]})
    told = card(found._replace(evaluation=seen), data)
    assert "about 1 product;" in told and "by facts alone no judge" in told
    assert "- `sort_table` of sales: not approved, P = 0.90" in told
