"""An engine keeps as many prefixes computed as fit into what the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models import make_gguf
from tools.slm.context_engine import MOST_THREADS, PIECE, PREFIXES, ContextEngine, Sizes
from tools.slm.conversion import convert
from tools.slm.engine import Prompt


class Counting:
    """Knows what it was given to read; every token is as likely."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.read_tokens = 0

    def read(self, tokens: Sequence[int]) -> Any:
        assert len(tokens) <= PIECE
        self.held += tokens
        self.read_tokens += len(tokens)
        return np.zeros(264, np.float32)

    def forget(self, position: int) -> None:
        del self.held[position:]

    def saved(self) -> Any:
        return list(self.held)

    def restore(self, saved: Any) -> None:
        self.held = list(saved)

    def close(self) -> None:
        self.held.clear()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    return folder / "model"


def test_prefixes_are_kept_as_far_as_all_fit_into_what_the_model_reads(place: Path) -> None:
    context, asked = Counting(), list[Sizes]()
    engine = ContextEngine(place, lambda sizes: asked.append(sizes) or context)  # type: ignore[func-returns-value]
    assert asked[0].tokens == 256 and 1 <= asked[0].threads <= MOST_THREADS

    def read(prefix: str) -> int:
        before = context.read_tokens
        engine.score(Prompt(prefix, "x"), ("a", "b"), lambda: False)
        return context.read_tokens - before

    assert [read(p) for p in ("1" * 100, "2" * 100, "1" * 100)] == [101, 101, 1]
    # The third does not fit beside both; the one that was not used for longest goes.
    assert [read(p) for p in ("3" * 100, "1" * 100, "2" * 100)] == [101, 1, 101]
    few = [str(n) for n in range(PREFIXES + 1)]
    assert [read(p) for p in (*few, few[-1], few[0])] == [2] * len(few) + [1, 2]
