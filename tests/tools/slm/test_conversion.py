"""A GGUF file becomes a model directory with the same weights and tokens, or is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from tests.models import HEADS_KV, LAYERS, WIDTH, make_gguf, make_weights
from tools.slm import gguf_file
from tools.slm.conversion import CONFIG, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, convert
from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import check_directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    return folder / "model"


def test_every_weight_is_there_under_its_name_and_in_its_order(made: Path) -> None:
    given, found = make_weights(), load_file(made / WEIGHTS)
    assert len(found) == len(given) == 2 + 9 * LAYERS
    pairs = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.1.attn_q.weight": "model.layers.1.self_attn.q_proj.weight",
        "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
    }
    for theirs, ours in pairs.items():
        assert np.allclose(found[ours], given[theirs], atol=1e-3), ours


def test_the_tokenizer_gives_every_text_back(made: Path) -> None:
    tokenizer = Tokenizer.from_file(str(made / TOKENIZER))
    for text in ("the then, in 2024: on", "größer ×1.5 \u202e ← 日本", " two  spaces\n"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert len(tokenizer.encode("<|im_start|>").ids) == 1
    assert len(tokenizer.encode("1234").ids) == 4
    assert len(tokenizer.encode(" the").ids) == 1


def test_a_template_of_the_file_is_left_behind_for_it_is_code(made: Path) -> None:
    assert not [p for p in made.iterdir() if b"cycler" in p.read_bytes()]
    config = json.loads((made / CONFIG).read_text())
    assert config["tie_word_embeddings"] and config["num_key_value_heads"] == HEADS_KV
    assert json.loads((made / TOKENIZER_CONFIG).read_text())["eos_token"] == "<|im_end|>"
    assert set(check_directory(made)) == {CONFIG, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS}


def without(name: str) -> dict[str, Any]:
    return {n: w for n, w in make_weights().items() if n != name}


def with_a(name: str, array: Any) -> dict[str, Any]:
    return make_weights() | {name: np.asarray(array, np.float32)}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architecture": "mamba"}, "family 'mamba'"),
        ({"pre": "llama-bpe"}, "gpt2/llama-bpe"),
        ({"heads": 5}, "do not divide"),
        ({"heads": WIDTH}, "no two halves"),
        ({"epsilon": "small"}, "epsilon is no number"),
        ({"epsilon": math.nan}, "cannot be"),
        ({"rope_base": [1.0, 2.0]}, "freq_base is no number"),
        ({"rope_base": -1.0}, "cannot be"),
        ({"weights": without("blk.1.ffn_up.weight")}, "layers.1.mlp.up_proj.weight is missing"),
        ({"weights": with_a("evil.weight", [1.0])}, "'evil.weight' that does not belong"),
        ({"weights": with_a("blk.9.attn_v.weight", [1.0])}, "does not belong"),
        ({"weights": with_a(f"blk.{'9' * 5000}.attn_v.weight", [1.0])}, "does not belong"),
        ({"weights": with_a("output_norm.weight", np.ones(31))}, "shape"),
        ({"weights": with_a("output_norm.weight", np.full(32, np.nan))}, "no number"),
        ({"weights": with_a("output_norm.weight", np.full(32, 1e9))}, "no number"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_and_leaves_nothing(
    fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadModel, match=said):
        convert(make_gguf(tmp_path / "bad.gguf", **fields), tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.gguf"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotImplementedError(), "is kept as F32, which is not read here"),
        (MemoryError(), "not enough memory to read"),
        (ValueError(), "token_embd.weight cannot be read"),
    ],
)
def test_a_tensor_that_is_not_read_is_told_with_the_reason(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: object) -> None:
        raise error

    monkeypatch.setattr(gguf_file, "dequantize", failing)
    with pytest.raises(ModelError, match=said) as caught:
        convert(make_gguf(tmp_path / "small.gguf"), tmp_path / "model")
    assert isinstance(caught.value, BadModel) != isinstance(error, MemoryError)


def cut(body: bytes, share: float) -> bytes:
    return body[: int(len(body) * share)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: b"GGUF",
        lambda body: cut(body, 0.01),
        lambda body: cut(body, 0.3),
        lambda body: cut(body, 0.9),
        lambda body: b"\x80\x04cos\nsystem\n" + body,
        lambda body: body[:8] + b"\xff" * 16 + body[24:],
        lambda body: body[:4] + b"\x63" + body[5:],
    ],
)
def test_a_file_that_is_cut_off_or_poisoned_is_refused(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = make_gguf(tmp_path / "small.gguf")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadModel):
        convert(path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no file"):
        convert(tmp_path / "nowhere.gguf", tmp_path / "model")
