"""The question that a review puts to a person about one proposal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.prompt import Prompt

from api.cli.shell import out, tell
from graph.answering import editable, edited_change
from graph.errors import InvalidAnswer

if TYPE_CHECKING:
    from tools.messages import Change

CHOICES = {"a": "approve", "r": "reject", "e": "edit", "q": "quit", "s": "skip"}


class Quit(Exception):
    """The person has enough; what they did not answer waits."""


class Choice(Prompt):
    """Takes an answer by its word or its first letter."""

    illegal_choice_message = "[prompt.invalid.choice]Give a, r, e, q or s, or the word."

    def process_response(self, value: str) -> str:
        """Return the letter of what was typed."""
        said = value.strip().lower()
        letters = {word: letter for letter, word in CHOICES.items()}
        return super().process_response(letters.get(said, said))


def ask_choice() -> str:
    """Ask until there is an answer; raises `Quit`, and `EOFError` where nobody is there."""
    question = "Approve, reject, edit, quit or skip?"
    choice = Choice.ask(question, choices=[*CHOICES], default="s", console=out)
    if choice == "q":
        raise Quit
    return choice


def ask_why() -> str:
    """Ask for a reason, which may be none."""
    return Prompt.ask("Why?", default="", show_default=False, console=out)


def ask_edit(change: Change) -> Change:
    """Show what an edit may replace, and ask for it; raises `InvalidAnswer`."""
    tell(f"As it is: {_fields(change)}")
    return merge_change(change, Prompt.ask("Fields to replace, as JSON", console=out))


def merge_change(change: Change, text: str | None) -> Change:
    """Return the change with some fields replaced; kind and table stay."""
    try:
        fields = json.loads(text or "")
        if not isinstance(fields, dict):
            raise TypeError
    except (ValueError, TypeError) as exc:
        raise InvalidAnswer(
            "An edit needs a JSON object of the fields to replace (of `pillion decide` as"
            f" --change), out of {_fields(change)}."
        ) from exc
    return edited_change(change, fields)


def _fields(change: Change) -> str:
    return json.dumps(editable(change), ensure_ascii=False)
