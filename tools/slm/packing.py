"""A model directory as the one file that llama.cpp reads, in half precision, with nothing foreign.

Nothing of a file that somebody made reaches llama.cpp, which ends the process on what it does not
expect: this file is written from checked weights, with sizes of ours and without a vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

from tools.slm.errors import BadModel
from tools.slm.family import Shape, shape_of, weights
from tools.slm.gguf_file import LAYER, OUTER

LARGEST_HALF = 65_504.0


def pack(place: Path, into: Path, on_tensor: Callable[[str], None] = lambda name: None) -> None:
    """Write the file of a llama-like model directory; raises `BadModel`, leaving nothing."""
    shape = shape_of(place)
    made = into.with_name(f".{into.name}.making")
    writer = GGUFWriter(made, "llama")
    try:
        _describe(writer, shape)
        for name, array in weights(place, shape):
            _add(writer, name, array, shape)
            on_tensor(name)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        made.replace(into)
    finally:
        made.unlink(missing_ok=True)


def _describe(writer: GGUFWriter, shape: Shape) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.tokens)
    writer.add_tokenizer_model("none")


def _add(writer: GGUFWriter, name: str, array: Any, shape: Shape) -> None:
    heads = {"q_proj": shape.heads, "k_proj": shape.heads_kv}
    for part, count in heads.items():
        if f".{part}." in name:
            array = _rotated(array, count)
    if array.ndim > 1:
        if np.abs(array).max() > LARGEST_HALF:
            raise BadModel(f"{name} holds numbers that are too large for half precision.")
        # In 8 bits it would be a quarter faster, but probabilities would move by up to 0.1.
        array = array.astype(np.float16)
    writer.add_tensor(_packed_name(name), array)


def _packed_name(name: str) -> str:
    outer = {theirs: ours for ours, theirs in OUTER.items()}
    layer = {theirs: ours for ours, theirs in LAYER.items()}
    stem = name.removesuffix(".weight")
    if stem in outer:
        return f"{outer[stem]}.weight"
    number, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{number}.{layer[part]}.weight"


def _rotated(weight: Any, heads: int) -> Any:
    """Put the rows of a query or key matrix into the order that llama.cpp keeps."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)
