"""The graph that ONNX Runtime is measured with computes what the engines that serve do."""

from __future__ import annotations

import pytest

from evals.benchmarks.onnx_engine import OnnxEngine
from tests import models
from tools.slm.conversion import convert
from tools.slm.engine import Prompt
from tools.slm.engines import Files, load
from tools.slm.packing import pack

CHOICES = ("a", "b", "c")
PROMPTS = (Prompt("the one ", "in the", " on"), Prompt("the one ", "other"), Prompt("in"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("onnx")
    with pytest.MonkeyPatch.context() as patched:
        # ONNX Runtime takes no heads that are narrower than 16.
        patched.setattr(models, "WIDTH", 16 * models.HEADS)
        made = models.make_gguf(folder / "small.gguf")
    convert(made, folder / "model")
    pack(folder / "model", folder / "packed.gguf")
    return Files(folder / "model", folder / "packed.gguf")


@pytest.mark.parametrize(("eight_bits", "tolerance"), [(False, 0.01), (True, 0.1)])
def test_it_finds_the_probabilities_of_the_engine_that_serves(
    files: Files, eight_bits: bool, tolerance: float
) -> None:
    measured, serving = OnnxEngine(files.place, eight_bits=eight_bits), load("llama", files)
    for prompt in PROMPTS:
        theirs = serving.score(prompt, CHOICES, lambda: False)
        found = measured.score(prompt, CHOICES, lambda: False)
        assert found == pytest.approx(theirs, abs=tolerance)


def test_it_says_what_the_engine_that_serves_says(files: Files) -> None:
    measured, serving = OnnxEngine(files.place, eight_bits=False), load("llama", files)
    said = ["".join(e.complete(PROMPTS[0], None, 12, lambda: False)) for e in (measured, serving)]
    assert said[0] == said[1] != ""
