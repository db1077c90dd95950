"""Decoding token by token: always the likeliest that may come next, and the forced ones free."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher

from tools.slm.engine import Schema, TooFewTokens
from tools.slm.errors import BadModel, ModelError
from tools.slm.vocabulary import Vocabulary

Read = Callable[[Sequence[int]], Any]
"""Reads further tokens and returns the logits of the next, as a NumPy array."""


def shares(logits: Any, tokens: Sequence[int], choices: Sequence[str]) -> dict[str, float]:
    """Return the probability of each choice among them, by the logit of its first token.

    Raises `BadModel` for logits that are no numbers.
    """
    numbers = _numbers(logits)
    found = np.array([numbers[token] for token in tokens], np.float64)
    parts = np.exp(found - found.max())
    return dict(zip(choices, (parts / parts.sum()).tolist(), strict=True))


def _numbers(logits: Any) -> Any:
    if not np.isfinite(logits).all():
        raise BadModel("The model computes what is no number; fetch or convert it again.")
    return logits


def decode(
    read: Read, rest: Sequence[int], vocabulary: Vocabulary, schema: Schema | None, limit: int
) -> Iterator[str]:
    """Yield the text that follows `rest`; raises `ModelError`, and whatever `read` raises."""
    if limit < 1:
        raise ModelError("A text needs a limit of at least one token.")
    characters = codecs.getincrementaldecoder("utf-8")("replace")
    found = _free(read, rest, vocabulary, limit) if schema is None else \
        _bounded(read, rest, vocabulary, vocabulary.bounds(schema), limit)  # fmt: skip
    for tokens in found:
        piece = characters.decode(vocabulary.spelled(tokens))
        if piece:
            yield piece
    if last := characters.decode(b"", final=True):
        yield last


def _free(
    read: Read, rest: Sequence[int], vocabulary: Vocabulary, limit: int
) -> Iterator[list[int]]:
    unread = list(rest)
    for _ in range(limit):
        token = int(np.argmax(_numbers(read(unread))))
        if vocabulary.ends(token):
            return
        yield (unread := [token])


def _bounded(
    read: Read, rest: Sequence[int], vocabulary: Vocabulary, bounds: LLMatcher, limit: int
) -> Iterator[list[int]]:
    """Yield what the bounds force, which needs no model, and what the model chooses otherwise."""
    unread, left = list(rest), limit
    while True:
        forced = bounds.compute_ff_tokens()
        if forced:
            left -= len(forced)
            _consume(bounds, forced, left, limit)
            unread += forced
            yield forced
        if bounds.is_stopped():
            return
        token = likeliest(_numbers(read(unread)), bounds)
        if vocabulary.ends(token):
            return
        left -= 1
        _consume(bounds, [token], left, limit)
        unread = [token]
        yield unread


def _consume(bounds: LLMatcher, tokens: list[int], left: int, limit: int) -> None:
    if left < 0:
        raise TooFewTokens(limit)
    if not bounds.consume_tokens(tokens):
        raise ModelError(f"The schema cannot be followed: {bounds.get_error().strip()}.")


def likeliest(logits: Any, bounds: LLMatcher) -> int:
    """Return the likeliest of the tokens that may come next."""
    allowed = np.unpackbits(np.frombuffer(bounds.compute_bitmask(), np.uint8), bitorder="little")
    size = min(len(allowed), len(logits))
    return int(np.argmax(np.where(allowed[:size], logits[:size], -np.inf)))
