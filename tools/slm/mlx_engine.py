"""The engine on MLX: Metal on a Mac, single precision with a real BLAS on Linux."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.slm.blas import LOADED

# isort: split
import mlx.core as mx
from mlx_lm.models import cache as mlx_cache
from mlx_lm.utils import load_model
from tokenizers import Tokenizer

from tools.slm.engine import Prompt, PromptTooLong, Stop, Stopped
from tools.slm.errors import BadModel, ModelError

MOST_TOKENS = 2048
"""Tokens of a prompt; more would take seconds and hundreds of megabytes."""
MOST_CHARACTERS = 8
"""Characters that one token stands for at most, on average; longer texts are not even tokenised."""
PIECE = 64
"""Tokens computed before somebody is asked whether the answer is still wanted."""
PREFIXES = 4
"""Prefixes that are kept computed; each takes some megabytes."""


class MlxEngine:
    """A model directory, loaded."""

    def __init__(self, place: Path) -> None:
        self.blas = LOADED
        try:
            self._model, config = load_model(place)
            self._tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
        except MemoryError as exc:
            raise ModelError(f"There is not enough memory for {place}.") from exc
        except Exception as exc:
            raise BadModel(f"{place} cannot be loaded: {type(exc).__name__}: {exc}") from exc
        if not mx.metal.is_available():
            self._model.set_dtype(mx.float32)
        self._context = min(MOST_TOKENS, int(config.get("max_position_embeddings", MOST_TOKENS)))
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def close(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        del self._model
        mx.clear_cache()

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next."""
        firsts = [self._first(choice) for choice in choices]
        if len(set(firsts)) != len(choices) or not choices:
            raise ModelError(f"The choices {list(choices)} do not begin with different tokens.")
        logits = self._logits(prompt, stop)
        found = [float(logits[token]) for token in firsts]
        highest = max(found)
        parts = [math.exp(x - highest) for x in found]
        return {c: p / sum(parts) for c, p in zip(choices, parts, strict=True)}

    def _first(self, choice: str) -> int:
        tokens = self._tokens(choice, trusted=False)
        if not tokens:
            raise ModelError("An empty text is no choice.")
        return tokens[0]

    def _tokens(self, text: str, *, trusted: bool) -> list[int]:
        if len(text) > self._context * MOST_CHARACTERS:
            raise PromptTooLong(f"A text of {len(text)} characters is too long for this model.")
        # Foreign text that spells a special token stays text.
        self._tokenizer.encode_special_tokens = not trusted
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _logits(self, prompt: Prompt, stop: Stop) -> Any:
        """Return the logits of the next token, with the prefix computed once."""
        prefix = tuple(self._tokens(prompt.prefix, trusted=True))
        rest = [
            *self._tokens(prompt.data, trusted=False), *self._tokens(prompt.suffix, trusted=True)
        ]  # fmt: skip
        if len(prefix) + len(rest) > self._context:
            told = f"{len(prefix) + len(rest)} tokens, and this model reads {self._context}"
            raise PromptTooLong(f"The prompt has {told}; ask shorter.")
        if not prefix and not rest:
            raise ModelError("There is nothing to read in an empty prompt.")
        if not rest:
            prefix, rest = prefix[:-1], [prefix[-1]]
        cache = self._prefix(prefix, stop)
        try:
            return self._read(rest, cache, stop)
        finally:
            # What was read beyond the prefix is forgotten.
            mlx_cache.trim_prompt_cache(cache, cache[0].offset - len(prefix))

    def _prefix(self, prefix: tuple[int, ...], stop: Stop) -> Any:
        cache = self._kept.pop(prefix, None)
        if cache is None:
            cache = mlx_cache.make_prompt_cache(self._model)
            if prefix:
                self._read(prefix, cache, stop)
        self._kept[prefix] = cache
        while len(self._kept) > PREFIXES:
            self._kept.popitem(last=False)
        return cache

    def _read(self, tokens: Sequence[int], cache: Any, stop: Stop) -> Any:
        """Read tokens piece by piece and return the logits after the last."""
        for start in range(0, len(tokens), PIECE):
            if stop():
                raise Stopped("The answer was not wanted any more.")
            logits = self._model(mx.array([list(tokens[start : start + PIECE])]), cache=cache)
            mx.eval(logits)
        return logits[0, -1].astype(mx.float32).tolist()


def describe(place: Path) -> str:
    """Return what kind of model a directory holds."""
    config = json.loads((place / "config.json").read_bytes())
    return f"{config.get('model_type', '?')}, {config.get('num_hidden_layers', '?')} layers"
