"""Words about something, and whose they are: a model's that passed the check, or a template's."""

from __future__ import annotations

from typing import Literal, get_args

from tools.messages import Message
from tools.words.facts import Facts

Fault = Literal[
    "length", "form", "characters", "names", "numbers", "direction", "order", "words", "repeats",
    "omits",
]  # fmt: skip
"""What the check finds in a text."""
Reason = Literal[Fault, "no_model", "busy", "too_late", "too_long", "failed"]
"""Why the template stands: what was found in a model's text, or why there is none."""
LASTING: frozenset[str] = frozenset((*get_args(Fault), "too_long"))
"""Reasons that the same model would give again for the same facts."""
RULES = "template"


class Words(Message):
    """A text about something, and whose words they are."""

    text: str
    by: str = RULES
    """The model that wrote it, else `template`."""
    fallback: Reason | None = None
    """Why a model that was asked did not write it; its text is not kept."""


def template(facts: Facts, fallback: Reason | None = None) -> Words:
    """Return the words of rules."""
    return Words(text=facts.text, fallback=fallback)
