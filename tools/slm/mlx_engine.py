"""The engine on MLX: Metal on a Mac, single precision with a real BLAS on Linux."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.slm.blas import LOADED

# isort: split
import mlx.core as mx
import numpy as np
from mlx_lm.models import cache as mlx_cache
from mlx_lm.utils import load_model

from tools.slm.decoding import decode, shares
from tools.slm.engine import Prompt, Schema, Stop, Stopped
from tools.slm.errors import BadModel, ModelError
from tools.slm.family import check_counts, turned
from tools.slm.tuning import layers
from tools.slm.vocabulary import Laid, Vocabulary

PIECE = 64
"""Tokens computed before somebody is asked whether the answer is still wanted."""
PREFIXES = 4
"""Prefixes that are kept computed; each takes some megabytes."""


class MlxEngine:
    """A model directory, loaded, with an adapter over it where one is given."""

    def __init__(self, place: Path, adapter: Path | None = None) -> None:
        self.blas = LOADED
        try:
            config = dict(json.loads((place / "config.json").read_bytes()))
            check_counts(config, place)
            self._model, config = load_model(place, model_config=turned(config))
            self._vocabulary = Vocabulary(place / "tokenizer.json", config)
            if not mx.metal.is_available():
                self._model.set_dtype(mx.float32)
            # A config that mlx-lm takes may still hold what nothing can be computed with.
            mx.eval(self._model(mx.array([[0]])))
        except MemoryError as exc:
            raise ModelError(f"There is not enough memory for {place}.") from exc
        except BadModel:
            raise
        except Exception as exc:
            raise BadModel(f"{place} cannot be loaded: {type(exc).__name__}: {exc}") from exc
        if adapter is not None:
            layers.attach(self._model, adapter)
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def close(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        del self._model
        mx.clear_cache()

    @property
    def model(self) -> Any:
        """The model of mlx-lm."""
        return self._model

    def tokens(self, prompt: Prompt) -> list[int]:
        """Return a whole prompt as it is read."""
        laid = self._vocabulary.laid(prompt)
        return [*laid.prefix, *laid.rest]

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next."""
        firsts = self._vocabulary.firsts(choices)
        laid = self._vocabulary.laid(prompt)
        with self._after(laid, stop) as cache:
            logits = self._read(laid.rest, cache, stop)
        return shares(logits, firsts, choices)

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        """Yield what the model says next."""
        laid = self._vocabulary.laid(prompt, limit)
        with self._after(laid, stop) as cache:
            yield from decode(
                lambda tokens: self._read(tokens, cache, stop),
                laid.rest, self._vocabulary, schema, limit,
            )  # fmt: skip

    @contextmanager
    def _after(self, laid: Laid, stop: Stop) -> Iterator[Any]:
        """Lend a cache that holds the prefix; what is read beyond it is forgotten."""
        prefix = laid.prefix
        cache = self._kept.pop(prefix, None)
        if cache is None:
            cache = mlx_cache.make_prompt_cache(self._model)
            if prefix:
                self._read(prefix, cache, stop)
        try:
            yield cache
        finally:
            # A cache with a sliding window may have lost the prefix.
            if mlx_cache.can_trim_prompt_cache(cache):
                mlx_cache.trim_prompt_cache(cache, cache[0].offset - len(prefix))
                self._kept[prefix] = cache
            while len(self._kept) > PREFIXES:
                self._kept.popitem(last=False)

    def _read(self, tokens: Sequence[int], cache: Any, stop: Stop) -> Any:
        """Read tokens piece by piece and return the logits after the last."""
        for start in range(0, len(tokens), PIECE):
            if stop():
                raise Stopped("The answer was not wanted any more.")
            logits = self._model(mx.array([list(tokens[start : start + PIECE])]), cache=cache)
            mx.eval(logits)
        return np.array(logits[0, -1].astype(mx.float32))
