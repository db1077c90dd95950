"""The report on models in words: one of a thing is not said to be many."""

from __future__ import annotations

from api.model_words import headline
from tests.factories import NOW
from tools.estimates import Estimate
from tools.slm.criteria.deployment import deployment_of
from tools.slm.criteria.results import NO_TEXT, Candidate, ModelReport


def test_one_product_is_not_said_to_be_several() -> None:
    rated = Candidate(
        name="judge", form="judge", about="", disk=1, deployment=deployment_of("judge"),
        quality={"brier": Estimate(value=0.1, low=0.05, high=0.2, of=12)}, injection=NO_TEXT,
    )  # fmt: skip
    report = ModelReport(
        made_at=NOW, seed=1, machine={}, versions={}, dataset=None, answers=48, held_out=12,
        products=1, by="time", candidates=(rated,), missing=(),
    )  # fmt: skip
    assert "on 12 held-out answers about 1 product, by time" in headline(report)
