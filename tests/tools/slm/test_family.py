"""The sizes of a model, however its config tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.slm.errors import BadModel
from tools.slm.family import Shape, shape_of

CONFIG = {
    "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2, "hidden_size": 64,
    "intermediate_size": 96, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "vocab_size": 99,
}  # fmt: skip
SHAPE = Shape(2, 64, 96, 4, 4, 256, 10_000.0, 1e-5, 99)


@pytest.mark.parametrize(
    ("told", "shape"),
    [
        ({}, SHAPE),
        ({"num_key_value_heads": 2, "head_dim": 16}, SHAPE._replace(heads_kv=2)),
        ({"num_key_value_heads": None, "head_dim": None}, SHAPE),
        ({"rope_theta": 500}, SHAPE._replace(rope_base=500.0)),
        ({"rope_parameters": {"rope_theta": 500.0}}, SHAPE._replace(rope_base=500.0)),
        ({"rope_theta": 500, "rope_parameters": {"rope_theta": 7}}, SHAPE._replace(rope_base=500)),
        ({"rope_parameters": None}, SHAPE),
        ({"rope_parameters": []}, SHAPE),
    ],
)
def test_what_a_config_leaves_out_has_the_familys_default(
    told: dict[str, object], shape: Shape, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | told))
    assert shape_of(tmp_path) == shape


@pytest.mark.parametrize(
    "told",
    [
        {"max_position_embeddings": 2**63}, {"max_position_embeddings": 2**40},
        {"vocab_size": 10**30}, {"rope_theta": 1e308}, {"rms_norm_eps": 1e-300},
        {"rms_norm_eps": float("nan")}, {"rope_theta": float("inf")}, {"hidden_size": 0},
    ],
)  # fmt: skip
def test_a_size_that_no_file_can_hold_is_refused(told: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | told))
    with pytest.raises(BadModel):
        shape_of(tmp_path)
