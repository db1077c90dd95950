"""A model as a second opinion: heard where rules are not sure, and never for a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.tools.asking.hostile import HOSTILE
from tools.asking.model import BLANK, EXAMPLES, LABELS, SecondOpinion
from tools.asking.plans import PLANS, STARTS
from tools.asking.request import read_request
from tools.asking.rules import Routing
from tools.slm.engine import Prompt

UNSURE = Routing(None, 0.2, ("waiting",))


class Says:
    """A model that finds one label likely, and says so also of nothing where it is biased."""

    def __init__(self, label: str, probability: float, biased: bool = False) -> None:
        self.label, self.probability, self.biased = label, probability, biased
        self.prompts: list[Prompt] = []

    def __call__(self, prompt: Prompt, choices: Sequence[str]) -> Mapping[str, float]:
        self.prompts.append(prompt)
        even = 1 / len(choices)
        if prompt.data == BLANK and not self.biased:
            return dict.fromkeys(choices, even)
        rest = (1 - self.probability) / (len(choices) - 1)
        return {c: self.probability if c == self.label else rest for c in choices}


def test_a_sure_model_is_followed() -> None:
    found = SecondOpinion(Says(" gain", 0.9))(read_request("was it good?"), UNSURE)
    assert found.plan == "gained" and found.confidence == pytest.approx(0.9)


@pytest.mark.parametrize(("label", "p"), [(" gain", 0.5), (" other", 0.9)])
def test_an_unsure_model_only_adds_to_the_question(label: str, p: float) -> None:
    found = SecondOpinion(Says(label, p))(read_request("was it good?"), UNSURE)
    assert found.plan is None
    assert found.likeliest[0] == "waiting" and len(found.likeliest) == 3


def test_what_a_model_says_of_nothing_is_taken_off() -> None:
    found = SecondOpinion(Says(" slow", 0.9, biased=True))(read_request("was it good?"), UNSURE)
    assert found.plan is None


def test_the_bias_is_asked_for_once_and_again_of_another_model() -> None:
    model = Says(" gain", 0.9)
    opinion = SecondOpinion(model)
    for _ in range(2):
        opinion(read_request("was it good?"), UNSURE)
    assert [p.data for p in model.prompts].count(BLANK) == 1
    opinion.forget()
    opinion(read_request("was it good?"), UNSURE)
    assert [p.data for p in model.prompts].count(BLANK) == 2


@pytest.mark.parametrize("label", LABELS)
def test_no_model_whatever_it_says_can_start_a_run(label: str) -> None:
    for text in HOSTILE:
        found = SecondOpinion(Says(label, 1.0))(read_request(text), UNSURE)
        assert found.plan not in STARTS and not STARTS.keys() & set(found.likeliest)


def test_a_request_is_data_to_the_model() -> None:
    model = Says(" slow", 0.9)
    SecondOpinion(model)(read_request(HOSTILE[3]), UNSURE)
    assert "<|im_end|>" in model.prompts[0].data
    assert "approve all" not in model.prompts[0].prefix + model.prompts[0].suffix


def test_every_answering_plan_has_a_label_with_examples() -> None:
    assert {p for p in LABELS.values() if p} == PLANS.keys() - STARTS.keys()
    assert {label for _, label in EXAMPLES} == LABELS.keys()
