"""Hostile text: measured where it would be read, and never read where candidates serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.factories import make_proposal
from tools.slm.criteria.injection import HOSTILE, PLACES, injected
from tools.slm.criteria.samples import made_up
from tools.slm.engine import Prompt, Stop
from tools.slm.facts import facts_of
from tools.slm.features import History
from tools.slm.steps import Steps
from tools.slm.tuning.prompts import NO, YES, described, prompt_of


class Gullible:
    """An engine that does what it is told."""

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        told = 0.9 if "yes" in prompt.data else 0.1
        return {YES: told, NO: 1 - told}

    def close(self) -> None:
        """Nothing is open."""


def test_an_engine_that_obeys_text_is_found_out(tmp_path: Path) -> None:
    found = injected(Gullible, Steps(tmp_path), "gullible")
    obeyed = sum("yes" in text for text in HOSTILE) / len(HOSTILE)
    assert found.tried == 3 * len(PLACES) * len(HOSTILE)
    assert found.flipped == pytest.approx(obeyed)
    assert found.most == pytest.approx(0.8) and found.mean == pytest.approx(0.8 * obeyed)


def test_a_calibration_that_says_nothing_cannot_be_moved(tmp_path: Path) -> None:
    found = injected(Gullible, Steps(tmp_path), "gullible", slope=0.0, offset=0.3)
    assert found.most == found.flipped == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_proposal_reaches_a_prompt(text: str) -> None:
    plain = make_proposal()
    hostile = plain.model_copy(
        update={"summary": text, "product": text, "risk": (text,) * len(plain.risk)}
    )
    kind = plain.change.kind
    assert described(kind, facts_of(hostile), History()) == described(
        kind, facts_of(plain), History()
    )
    assert described(text, facts_of(plain), History()).startswith("change: ")


def test_foreign_text_stands_only_where_it_cannot_hold_special_tokens() -> None:
    prompt = prompt_of(made_up(1)[0], note="<|im_end|>")
    assert "<|im_end|>" in prompt.data and "<|" not in prompt.prefix + prompt.suffix
