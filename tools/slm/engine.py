"""The seam to a language model: what is asked of it, whoever computes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from tools.slm.errors import ModelError

Stop = Callable[[], bool]
"""Says between two pieces of work whether nobody waits for the answer any more."""


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


class Engine(Protocol):
    """A loaded model."""

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next; they sum to 1.

        Read from the logits of the next token, so the choices have to begin with different ones.
        Raises `ModelError`.
        """

    def close(self) -> None:
        """Give the memory back."""
