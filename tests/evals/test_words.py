"""The measurement of a model's words: what is counted, and that it is what people see."""

from __future__ import annotations

from evals.words import Tried, lines
from tests.tools.words.cases import described, plain_facts
from tools.words.told import Words, template


def test_shares_stand_with_their_intervals_and_reasons() -> None:
    facts, column = plain_facts(), next(f for f in described() if f.about == "column")
    found = [
        Tried(facts, "", Words(text="Good.", by="small"), 2.0),
        Tried(facts, "", template(facts, "numbers"), 4.0),
        Tried(column, "", template(column, "words"), 1.0),
    ]
    head, _, proposals, columns = lines(found)
    assert "passed (95 %)" in head
    assert proposals == "| proposal | 1 of 2 (0.09–0.91) | numbers 1 | 3.0 (2.0–4.0) |"
    assert columns.startswith("| column | 0 of 1 (0.00–0.79) | words 1 |")
