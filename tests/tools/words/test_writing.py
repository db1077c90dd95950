"""A model's wording, or the template with the reason why not."""

from __future__ import annotations

import json

import pytest

from tests.tools.asking.hostile import HOSTILE
from tests.tools.words.cases import make_column, make_table, plain_facts
from tests.tools.words.test_checks import GOOD
from tools.slm.engine import Prompt, Schema, TooFewTokens
from tools.slm.errors import ModelBusy, ModelError, TooLate
from tools.words.checks import Checked, check
from tools.words.columns import Known, facts_of_column
from tools.words.facts import About, Facts
from tools.words.told import Words
from tools.words.writing import PREFIXES, SUFFIX, Complete, prompt_of, text_of, write

FACTS = plain_facts()


def says(answer: str | Exception) -> Complete:
    def complete(prompt: Prompt, schema: Schema, limit: int, seconds: float) -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return complete


def test_a_wording_that_passes_is_the_models() -> None:
    words = write(FACTS, "small", says(json.dumps({"text": GOOD})), 1)
    assert words.by == "small" and words.fallback is None
    assert check(words.text, FACTS) == Checked(words.text)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "length"), ("no JSON", "length"), ('{"text": 3}', "length"), ("[]", "length"),
        (json.dumps({"text": GOOD.replace("3.4", "9.4")}), "numbers"),
        (TooLate("late"), "too_late"), (ModelBusy("busy"), "busy"),
        (TooFewTokens(3), "too_long"), (ModelError("gone"), "failed"),
    ],
)  # fmt: skip
def test_the_template_stands_in_with_the_reason(answer: str | Exception, reason: str) -> None:
    assert write(FACTS, "small", says(answer), 1) == Words(text=FACTS.text, fallback=reason)


def test_a_sentence_that_was_cut_is_left_out() -> None:
    assert text_of('{"text": "It runs \u00d73.4 as fast. An insert ta"}') == "It runs ×3.4 as fast."
    assert text_of('{"text": "An insert ta"}') == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_data_to_the_model(name: str) -> None:
    column = make_column(name)
    prompt = prompt_of(facts_of_column(make_table(column), column, Known((), {}, {})))
    assert prompt.prefix in PREFIXES.values() and prompt.suffix == SUFFIX


@pytest.mark.parametrize("about", PREFIXES)
def test_the_examples_in_the_prompt_are_answers_that_pass(about: About) -> None:
    examples = PREFIXES[about].split("Facts:\n")[1:-1]
    assert examples
    for example in examples:
        told, _, answer = example.partition("Retold: ")
        text = text_of(answer)
        subject = text[text.index('"') :].split(" ")[0]
        losers = about == "proposal"
        facts = Facts(
            about=about, sentences=tuple(told.splitlines()), subject=subject, losers=losers,
            workload="better", inserts="worse", space="better",
        )  # fmt: skip
        assert isinstance(check(text, facts), Checked), check(text, facts)
