"""The engine over a context: whatever library holds what was read, and reads on from there."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tools.slm.decoding import Read, decode, shares
from tools.slm.engine import Prompt, Schema, Stop, Stopped
from tools.slm.errors import BadModel
from tools.slm.vocabulary import Laid, Vocabulary

PIECE = 64
"""Tokens computed before somebody is asked whether the answer is still wanted."""
PREFIXES = 4
"""Prefixes that are kept computed, as far as all together fit into what the model reads."""
MOST_THREADS = 4


class Sizes(NamedTuple):
    """What a context has room for, and how many threads compute it."""

    tokens: int
    batch: int
    threads: int


class Context(Protocol):
    """A loaded model with room for one sequence of tokens; raises `ModelError`."""

    def read(self, tokens: Sequence[int]) -> Any:
        """Read tokens, a batch at most, and return the logits of the next, as float32."""

    def forget(self, position: int) -> None:
        """Forget what was read from a position on."""

    def saved(self) -> Any:
        """Return what is computed of all that was read."""

    def restore(self, saved: Any) -> None:
        """Take back what was saved, in place of all that was read."""

    def close(self) -> None:
        """Give the memory back."""


class ContextEngine:
    """A model directory's tokenizer over a context of its weights."""

    def __init__(self, place: Path, make: Callable[[Sizes], Context]) -> None:
        try:
            config = json.loads((place / "config.json").read_bytes())
            self._vocabulary = Vocabulary(place / "tokenizer.json", config)
        except Exception as exc:
            raise BadModel(f"{place} cannot be loaded: {type(exc).__name__}: {exc}") from exc
        self._context = make(Sizes(self._vocabulary.context, PIECE, _threads()))
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._held: tuple[int, ...] | None = None
        """The prefix with which what the context holds begins."""
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
        """Let the context hold the prefix and nothing else; return what reads on."""
        self._turn += 1
        turn = self._turn

        def read(tokens: Sequence[int]) -> Any:
            for start in range(0, len(tokens), PIECE):
                if stop() or turn != self._turn:
                    raise Stopped("The answer was not wanted any more.")
                logits = self._context.read(tokens[start : start + PIECE])
            return logits

        self._hold(laid.prefix, read)
        return read

    def _hold(self, prefix: tuple[int, ...], read: Read) -> None:
        if self._held == prefix:
            self._context.forget(len(prefix))
            return
        self._held = None
        if prefix in self._kept:
            self._context.restore(self._kept[prefix])
        else:
            self._context.forget(0)
            if prefix:
                read(prefix)
            self._kept[prefix] = self._context.saved()
        self._kept.move_to_end(prefix)
        while len(self._kept) > PREFIXES or sum(map(len, self._kept)) > self._vocabulary.context:
            self._kept.popitem(last=False)
        self._held = prefix


def _threads() -> int:
    """Return how many threads compute: of the cores that this process may use."""
    linux = sys.platform.startswith("linux")
    return min(MOST_THREADS, len(os.sched_getaffinity(0)) if linux else os.cpu_count() or 1)
