"""What a model reads and says, as tokens: foreign text stays text, and a schema bounds the next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from tools.slm.engine import MOST_CHARACTERS, MOST_TOKENS, Prompt, PromptTooLong, Schema
from tools.slm.errors import BadModel, ModelError

SPELLING: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""How JSON is written, so that no model can fill its answer with blanks."""


class Laid(NamedTuple):
    """A prompt as tokens; the rest is never empty."""

    prefix: tuple[int, ...]
    rest: list[int]


class Vocabulary:
    """The tokenizer of a model directory."""

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self._text = path.read_text(encoding="utf-8")
        self._tokenizer = Tokenizer.from_str(self._text)
        self.size = int(config.get("vocab_size", self._tokenizer.get_vocab_size()))
        self.context = min(MOST_TOKENS, int(config.get("max_position_embeddings", MOST_TOKENS)))
        ends = config.get("eos_token_id")
        self._ends = ends if isinstance(ends, list) else [] if ends is None else [int(ends)]

    @cached_property
    def _guide(self) -> LLTokenizer:
        try:
            return LLTokenizer(self._text, n_vocab=self.size, eos_token=self._ends or None)
        except ValueError as exc:
            raise BadModel(f"This model's tokenizer and its config do not fit: {exc}.") from exc

    def tokens(self, text: str, *, trusted: bool) -> list[int]:
        """Return a text's tokens; only trusted text may hold special ones.

        Raises `ModelError` for a token that the model has no row for: what reads it looks no more.
        """
        if len(text) > self.context * MOST_CHARACTERS:
            raise PromptTooLong(f"A text of {len(text)} characters is too long for this model.")
        # Foreign text that spells a special token stays text.
        self._tokenizer.encode_special_tokens = not trusted
        found = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        if max(found, default=0) >= self.size:
            raise ModelError("A token is not one of this model's; its tokenizer is another's.")
        return found

    def firsts(self, choices: Sequence[str]) -> list[int]:
        """Return the first token of each choice; raises `ModelError` unless they are different."""
        found = [self.tokens(choice, trusted=False)[:1] for choice in choices]
        if not all(found):
            raise ModelError("An empty text is no choice.")
        firsts = [token for (token,) in found]
        if len(set(firsts)) != len(choices) or not choices:
            raise ModelError(f"The choices {list(choices)} do not begin with different tokens.")
        return firsts

    def laid(self, prompt: Prompt, limit: int = 0) -> Laid:
        """Return a prompt's tokens; raises `PromptTooLong` when it and `limit` more do not fit."""
        prefix = tuple(self.tokens(prompt.prefix, trusted=True))
        rest = [
            *self.tokens(prompt.data, trusted=False), *self.tokens(prompt.suffix, trusted=True)
        ]  # fmt: skip
        if len(prefix) + len(rest) + limit > self.context:
            asked = f" and {limit} may follow" if limit else ""
            told = f"{len(prefix) + len(rest)} tokens{asked}, and this model reads {self.context}"
            raise PromptTooLong(f"The prompt has {told}; ask shorter.")
        if not prefix and not rest:
            raise ModelError("There is nothing to read in an empty prompt.")
        return Laid(prefix, rest) if rest else Laid(prefix[:-1], [prefix[-1]])

    def bounds(self, schema: Schema) -> LLMatcher:
        """Return what says which tokens may come next; raises `ModelError` for a schema it lacks.

        Anything that cannot be bounded exactly is refused, so what comes out fits the schema.
        """
        try:
            text = json.dumps(schema)
            matcher = LLMatcher(
                self._guide,
                LLMatcher.grammar_from_json_schema(text, overrides=SPELLING),
                log_level=0,
            )
        except (TypeError, ValueError) as exc:
            raise ModelError(f"The schema is no JSON Schema: {exc}.") from exc
        if matcher.is_error():
            raise ModelError(f"The schema cannot be followed: {matcher.get_error().strip()}.")
        return matcher

    def ends(self, token: int) -> bool:
        """Return whether a token ends the text: one that stands for no text does."""
        return token in self._ends or self._guide.is_special_token(token)

    def spelled(self, tokens: Sequence[int]) -> bytes:
        """Return what tokens spell; a character may be cut off at the end."""
        return bytes(self._guide.decode_bytes(list(tokens)))
