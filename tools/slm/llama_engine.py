"""The engine on llama.cpp: the fastest on a processor, in a third of the memory."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.slm.decoding import Read, decode, shares
from tools.slm.engine import Prompt, Schema, Stop, Stopped
from tools.slm.errors import BadModel
from tools.slm.llama_library import Context
from tools.slm.vocabulary import Laid, Vocabulary

PIECE = 64
"""Tokens computed before somebody is asked whether the answer is still wanted."""
PREFIXES = 4
"""Prefixes that are kept computed; each takes some megabytes."""
MOST_THREADS = 4


class LlamaEngine:
    """A model directory's tokenizer with its packed weights, loaded."""

    def __init__(self, place: Path, packed: Path) -> None:
        try:
            config = json.loads((place / "config.json").read_bytes())
            self._vocabulary = Vocabulary(place / "tokenizer.json", config)
        except Exception as exc:
            raise BadModel(f"{place} cannot be loaded: {type(exc).__name__}: {exc}") from exc
        threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
        self._context = Context(packed, self._vocabulary.context, PIECE, threads)
        self._kept: OrderedDict[tuple[int, ...], bytes] = OrderedDict()
        self._held: tuple[int, ...] | None = None
        """The prefix with which what llama.cpp holds begins."""
        self._turn = 0

    def close(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        self._context.close()

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next."""
        firsts = self._vocabulary.firsts(choices)
        laid = self._vocabulary.laid(prompt)
        read = self._after(laid, stop)
        return shares(read(laid.rest), firsts, choices)

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        """Yield what the model says next."""
        laid = self._vocabulary.laid(prompt, limit)
        yield from decode(self._after(laid, stop), laid.rest, self._vocabulary, schema, limit)

    def _after(self, laid: Laid, stop: Stop) -> Read:
        """Let llama.cpp hold the prefix and nothing else; return what reads on."""
        self._turn += 1
        turn = self._turn

        def read(tokens: Sequence[int]) -> Any:
            for start in range(0, len(tokens), PIECE):
                if stop() or turn != self._turn:
                    raise Stopped("The answer was not wanted any more.")
                logits = self._context.read(tokens[start : start + PIECE])
            return logits

        prefix = laid.prefix
        if self._held == prefix:
            self._context.forget(len(prefix))
            return read
        self._held = None
        if prefix in self._kept:
            self._context.restore(self._kept[prefix])
        else:
            self._context.forget(0)
            if prefix:
                read(prefix)
            self._kept[prefix] = self._context.saved()
        self._kept.move_to_end(prefix)
        while len(self._kept) > PREFIXES:
            self._kept.popitem(last=False)
        self._held = prefix
        return read
