"""A model directory as the one file that llama.cpp reads, in half precision, with nothing foreign.

Nothing of a file that somebody made reaches llama.cpp, which ends the process on what it does not
expect: this file is written from checked weights, with sizes of ours and without a vocabulary.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

from tools.slm.errors import BadModel
from tools.slm.gguf_file import LAYER, OUTER, Shape, expected

LARGEST_HALF = 65_504.0
DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
UNFIT = ("quantization", "quantization_config", "rope_scaling", "sliding_window", "attention_bias")
"""Keys of a config that say the model computes in a way that is not written here."""


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


def shape_of(place: Path) -> Shape:
    """Return the sizes in a config; raises `BadModel` for a model of another family."""
    config = json.loads((place / "config.json").read_bytes())
    unfit = [k for k in UNFIT if config.get(k)]
    if config.get("model_type") != "llama" or unfit:
        what = f"uses {unfit[0]}" if unfit else f"is of the family {config.get('model_type')!r}"
        raise BadModel(f"{place} {what}, which llama.cpp is not given here.")
    try:
        heads = int(config["num_attention_heads"])
        found = Shape(
            layers=int(config["num_hidden_layers"]),
            width=int(config["hidden_size"]),
            hidden=int(config["intermediate_size"]),
            heads=heads,
            heads_kv=int(config.get("num_key_value_heads", heads)),
            context=int(config["max_position_embeddings"]),
            rope_base=float(_rope(config)),
            epsilon=float(config["rms_norm_eps"]),
            tokens=int(config["vocab_size"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise BadModel(f"{place}: its config lacks a size or holds a wrong one: {exc}.") from exc
    fits = found.heads > 0 and found.width % found.heads == 0 == found.heads % found.heads_kv
    if not fits or config.get("head_dim", found.head) != found.head:
        raise BadModel(f"{place}: its attention heads do not divide its width.")
    return found


def _rope(config: Mapping[str, Any]) -> Any:
    return config.get("rope_theta") or config.get("rope_parameters", {}).get("rope_theta", 10_000.0)


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


def weights(place: Path, shape: Shape) -> Iterator[tuple[str, Any]]:
    """Yield each weight of a directory in single precision, by its Hugging Face name."""
    wanted = expected(shape)
    for path in sorted(place.glob("*.safetensors")):
        for name, array in _read(path):
            if name not in wanted or array.shape != wanted.pop(name):
                raise BadModel(f"{path}: the tensor {name!r} does not belong, or not in its shape.")
            if not np.isfinite(array).all():
                raise BadModel(f"{path}: {name} holds something that is no number.")
            yield name, array
    missing = sorted(wanted.keys() - {"lm_head.weight"})
    if missing:
        raise BadModel(f"{place} is not whole: {missing[0]} is missing.")


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        yield from _tensors(path)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, struct.error) as exc:
        raise BadModel(f"{path} does not hold what its header says: {exc}.") from exc


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a safetensors file; NumPy's reader knows no bfloat16."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r", 8 + length)
    for name, told in header.items():
        if name == "__metadata__":
            continue
        if told["dtype"] not in DTYPES:
            raise BadModel(f"{path}: {name} is kept as {told['dtype']}, which cannot be packed.")
        start, end = told["data_offsets"]
        array = np.frombuffer(data[start:end], DTYPES[told["dtype"]]).reshape(told["shape"])
        if told["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        yield name, array.astype(np.float32)


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
