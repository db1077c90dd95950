"""What a model makes of proposals is kept as it comes, and taken for the same proposals only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.answers import make_examples
from tools.slm.engine import Prompt
from tools.slm.steps import Steps
from tools.slm.tuning.prompts import NO, YES
from tools.slm.tuning.reading import AT_ONCE, read, steps_of


class Asked:
    """An engine that is as sure as a prompt is long, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def score(self, prompt: Prompt, *rest: Any) -> Mapping[str, float]:
        self.asked += 1
        share = len(prompt.data) / 1000
        return {YES: share, NO: 1 - share}


def test_what_was_read_is_read_again_only_where_it_is_another(tmp_path: Path) -> None:
    engine: Any = Asked()
    told: list[str] = []
    steps, examples = Steps(tmp_path, told.append), make_examples(2 * AT_ONCE + 1)

    def odds(some: Any) -> list[float]:
        return read(lambda: engine, some, steps, "lessons")

    first = odds(examples)
    assert odds(examples) == first and engine.asked == len(examples)
    assert told == 2 * [f"lessons: {n}" for n in ("1 to 16", "17 to 32", "33 to 33")]
    assert len(told) == 2 * steps_of(len(examples))
    other = odds(examples[::-1])
    assert other == pytest.approx(first[::-1]) and other != first
