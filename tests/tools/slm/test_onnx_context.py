"""ONNX Runtime over weights where they lie: however they are kept, whatever is wrong in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.models import config_with, keep_short, make_gguf, weights_with
from tools.slm import onnx_context
from tools.slm.context_engine import Sizes
from tools.slm.conversion import convert
from tools.slm.errors import BadModel, ModelError, Unavailable
from tools.slm.onnx_context import Context
from tools.slm.onnx_library import bytes_to_load, readable

SIZES = Sizes(tokens=64, batch=16, threads=1)
READ = [5, 9, 77, 5]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def logits(made: Path) -> Any:
    return Context(made, SIZES).read(READ)


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


def single(weights: dict[str, Any]) -> None:
    weights.update({n: a.astype(np.float32) for n, a in weights.items()})


@pytest.mark.parametrize(
    ("keep", "tolerance"), [(lambda p: weights_with(p, single), 1e-6), (keep_short, 0.2)]
)
def test_weights_say_the_same_however_they_are_kept(
    keep: Callable[[Path], None], tolerance: float, place: Path, logits: Any
) -> None:
    keep(place)
    assert np.allclose(Context(place, SIZES).read(READ), logits, atol=tolerance)


def test_weights_may_lie_behind_links_as_in_a_download_cache(
    place: Path, tmp_path: Path, logits: Any
) -> None:
    (tmp_path / "blobs").mkdir()
    weights = (place / "model.safetensors").rename(tmp_path / "blobs" / "7e57")
    (place / "model.safetensors").symlink_to(weights)
    assert np.allclose(Context(place, SIZES).read(READ), logits)


def test_a_head_of_its_own_is_used(place: Path, logits: Any) -> None:
    weights_with(place, lambda w: w.update({"lm_head.weight": 2 * w["model.embed_tokens.weight"]}))
    assert np.allclose(Context(place, SIZES).read(READ), 2 * logits, atol=1e-4)


def test_what_was_read_is_forgotten_and_taken_back(made: Path, logits: Any) -> None:
    context = Context(made, SIZES)
    context.read(READ[:2])
    kept = context.saved()
    assert np.allclose(context.read(READ[2:]), logits, atol=1e-5)
    context.forget(2)
    assert np.allclose(context.read(READ[2:]), logits, atol=1e-5)
    context.forget(0)
    context.read([1, 2, 3, 4, 5])
    context.restore(kept)
    assert np.allclose(context.read(READ[2:]), logits, atol=1e-5)
    context.close()


def test_a_weight_takes_four_bytes(made: Path) -> None:
    weights = load_file(made / "model.safetensors")
    assert bytes_to_load(made) == 4 * sum(a.size for a in weights.values())


def test_heads_that_it_cannot_compute_are_told_beforehand(place: Path) -> None:
    config_with(place, num_attention_heads=4, num_key_value_heads=2, head_dim=8)
    with pytest.raises(BadModel, match="width 8, not a multiple of 16"):
        readable(place)


def test_what_goes_wrong_in_it_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="could not read on"):
        Context(made, SIZES).read([10**6])
    monkeypatch.setattr(onnx_context, "graph_of", lambda *given: b"no graph")
    with pytest.raises(Unavailable, match="cannot compute"):
        Context(made, SIZES)
