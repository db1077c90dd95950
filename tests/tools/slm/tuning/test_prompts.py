"""What a language model reads of a proposal: facts only, short, whatever the numbers are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.answers import make_examples, make_facts
from tools.slm.facts import Facts
from tools.slm.features import History
from tools.slm.tuning.prompts import described, prompt_of, shots_of

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_what_is_as_usual_is_not_said() -> None:
    said = described("create_index", make_facts(1.5, 1.2, winning=0.8), History(3, 5, 1, 2))
    assert said == (
        "create index: gain 1.50 at least 1.42, inserts 1.20 at most 1.26, 80% faster, rows 6e04,"
        " approved before 3 of 5, of this kind 1 of 2"
    )


@given(
    st.builds(
        Facts, **{
            name: NUMBERS if field.annotation is float else st.integers(0, 10**9)
            for name, field in Facts.model_fields.items()
        },
    ),
    st.text(),
)  # fmt: skip
def test_any_facts_make_one_short_line_and_no_text_of_theirs(facts: Facts, kind: str) -> None:
    said = described(kind, facts, History())
    assert "\n" not in said and len(said) < 400
    assert said.startswith("change: gain ") and said.isascii()


def test_answered_examples_stand_before_the_question() -> None:
    examples: Any = make_examples(40)
    shots = shots_of(examples)
    assert len(shots) == 6 and sum(e.approved for e in shots) == 3
    prompt = prompt_of(examples[0], shots)
    assert prompt.prefix.count("Approved: yes") == prompt.prefix.count("Approved: no") == 3
    assert prompt.suffix == "\nApproved:"
