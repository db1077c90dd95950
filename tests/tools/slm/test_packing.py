"""A model directory packed for llama.cpp: the same weights, and nothing that came with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from safetensors.numpy import load_file

from tests.models import HEADS, config_with, keep_short, make_gguf, rotated, weights_with
from tools.slm.conversion import convert
from tools.slm.errors import BadModel
from tools.slm.onnx_library import readable
from tools.slm.packing import pack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packing")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    return folder / "model"


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


def test_every_weight_is_packed_as_it_is_and_nothing_foreign_with_it(
    place: Path, tmp_path: Path
) -> None:
    pack(place, tmp_path / "packed.gguf")
    reader = GGUFReader(tmp_path / "packed.gguf")
    packed = {t.name: np.array(t.data) for t in reader.tensors}
    weights = load_file(place / "model.safetensors")
    assert len(packed) == len(weights)
    assert (packed["token_embd.weight"] == weights["model.embed_tokens.weight"]).all()
    query = weights["model.layers.1.self_attn.q_proj.weight"]
    assert (packed["blk.1.attn_q.weight"] == rotated(query, HEADS)).all()
    known = {n for n in reader.fields if not n.startswith(("GGUF.", "llama.", "general."))}
    assert known == {"tokenizer.ggml.model"}


def test_bfloat16_is_read_as_it_is(place: Path, tmp_path: Path) -> None:
    weights = load_file(place / "model.safetensors")
    keep_short(place)
    pack(place, tmp_path / "packed.gguf")
    reader = GGUFReader(tmp_path / "packed.gguf")
    found = next(t.data for t in reader.tensors if t.name == "token_embd.weight")
    assert np.allclose(found, weights["model.embed_tokens.weight"], rtol=0.01)


def header_with(place: Path, **told: object) -> None:
    path = place / "model.safetensors"
    body = path.read_bytes()
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    header["model.norm.weight"] |= told
    changed = json.dumps(header).encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + body[8 + length :])


@pytest.mark.parametrize(
    "told",
    [
        {"shape": [33]}, {"shape": [-1, 7]}, {"shape": "wide"}, {"shape": {}},
        {"data_offsets": [5]}, {"data_offsets": [9, 2]}, {"data_offsets": "ab"},
        {"data_offsets": [0, 10**30]}, {"data_offsets": [-7, 10**9]}, {"dtype": ["F16"]},
        {"shape": [32.0]}, {"data_offsets": [0.0, 64.0]},
    ],
)  # fmt: skip
def test_a_header_that_lies_is_refused(
    told: dict[str, object], place: Path, tmp_path: Path
) -> None:
    header_with(place, **told)
    with pytest.raises(BadModel):
        pack(place, tmp_path / "packed.gguf")
    with pytest.raises(BadModel):
        readable(place)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[", (2**62).to_bytes(8, "little") + b"{}", b"\xa0\x86\1" + bytes(5) + b"[" * 99_999],
)
def test_a_file_without_a_header_is_refused(body: bytes, place: Path) -> None:
    (place / "model.safetensors").write_bytes(body)
    with pytest.raises(BadModel, match="header"):
        readable(place)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: config_with(p, model_type="mamba"), "family 'mamba'"),
        (lambda p: config_with(p, quantization={"bits": 4}), "uses quantization"),
        (lambda p: config_with(p, rope_scaling={"factor": 8}), "uses rope_scaling"),
        (lambda p: config_with(p, rope_parameters={"rope_type": "llama3"}), "uses rope_scaling"),
        (lambda p: config_with(p, num_attention_heads=5), "divide"),
        (lambda p: config_with(p, num_attention_heads=float("inf")), "wrong one"),
        (lambda p: config_with(p, num_attention_heads=32, head_dim=1), "no two halves"),
        (lambda p: config_with(p, rope_theta=10**400), "wrong one"),
        (lambda p: config_with(p, rope_theta=float("nan")), "cannot be"),
        (lambda p: config_with(p, rms_norm_eps=-1), "cannot be"),
        (lambda p: config_with(p, head_dim=4), "divide"),
        (lambda p: config_with(p, hidden_size="wide"), "wrong one"),
        (lambda p: config_with(p, vocab_size=99), "does not belong"),
        (lambda p: config_with(p, num_hidden_layers=3), "is missing"),
        (lambda p: config_with(p, num_hidden_layers=10**9), "layers, not between"),
        (lambda p: config_with(p, max_position_embeddings=-5), "no model can have"),
        (lambda p: (p / "config.json").write_text("[5]"), "cannot be read"),
        (lambda p: (p / "config.json").write_text("[" * 100_000), "cannot be read"),
        (lambda p: weights_with(p, lambda w: w.pop("model.norm.weight")), "is missing"),
        (lambda p: weights_with(p, lambda w: w.update(x=w["model.norm.weight"])), "not belong"),
        (
            lambda p: weights_with(p, lambda w: w["model.norm.weight"].fill(np.nan)),
            "no number",
        ),
        (
            lambda p: weights_with(
                p,
                lambda w: w.update(
                    {"model.embed_tokens.weight": np.full((264, 32), 1e9, np.float32)}
                ),
            ),
            "half precision",
        ),
        (
            lambda p: weights_with(
                p, lambda w: w.update({"model.norm.weight": np.ones(32, np.int8)})
            ),
            "kept as I8",
        ),
    ],
)  # fmt: skip
def test_what_llama_cpp_could_not_compute_rightly_is_not_packed(
    damage: Callable[[Path], object], said: str, place: Path, tmp_path: Path
) -> None:
    damage(place)
    with pytest.raises(BadModel, match=said):
        pack(place, tmp_path / "packed.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
