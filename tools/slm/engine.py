"""The seam to a language model: what is asked of it, whoever computes the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tools.slm.errors import ModelError

Stop = Callable[[], bool]
"""Says between two pieces of work whether nobody waits for the answer any more."""
Schema = Mapping[str, object]
"""A JSON Schema (draft 2020-12)."""

MOST_TOKENS = 2048
"""Tokens of a prompt with its answer; more would take seconds and hundreds of megabytes."""
MOST_CHARACTERS = 8
"""Characters that one token stands for at most, on average; longer texts are not even tokenised."""


class Prompt(NamedTuple):
    """What the model reads: our words around foreign text.

    Only `prefix` and `suffix` may hold the model's special tokens; in `data` they are plain text,
    so that no data can end its own quotation. The prefix is kept computed between requests.
    """

    prefix: str
    data: str = ""
    suffix: str = ""


class PromptTooLong(ModelError):
    """The prompt does not fit into what the model can read."""


class Stopped(ModelError):
    """Nobody waited for the answer any more, so it was not computed to its end."""


class TooFewTokens(ModelError):
    """The text that a schema wants is not whole within the tokens it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} tokens do not suffice for what the schema asks for; allow more, or bound its"
            " texts with maxLength."
        )
        self.limit = limit


class Engine(Protocol):
    """A loaded model. It does one thing at a time, in the thread that made it."""

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next; they sum to 1.

        Read from the logits of the next token, so the choices have to begin with different ones.
        Raises `ModelError`.
        """

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        """Yield what the model says next as it is decoded, always its likeliest token.

        Without a schema the text ends where the model ends it, or after `limit` tokens. With one,
        all of it together is a JSON document that the schema accepts. Raises `ModelError`:
        `TooFewTokens` when `limit` ends it before it is whole.
        """

    def close(self) -> None:
        """Give the memory back."""
