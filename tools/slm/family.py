"""The one family of models that is converted and computed here: its sizes, and its weights on disk.

Llama and what is built like it (SmolLM2), by the names that Hugging Face gives.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from operator import index
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tools.slm.errors import BadModel

Kind = Literal["F32", "F16", "BF16"]
DTYPES: Mapping[Kind, str] = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
UNFIT = (
    "quantization", "quantization_config", "rope_scaling", "rope_traditional", "sliding_window",
    "attention_bias",
)  # fmt: skip
"""Keys of a config that say the model computes in a way that is not written here."""
MOST_LAYERS = 200
COUNTS, MOST_COUNTED = re.compile(r"(^|_)(layers?|experts?|heads|blocks)(_|$)"), 4096
MOST_SIZE, MOST_REAL = 2**31 - 1, 1e30
"""What the files and libraries hold a size in, and a number."""
WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What is raised by reading somebody's JSON that holds something else."""


class Shape(NamedTuple):
    """The sizes of a llama-like model."""

    layers: int
    width: int
    hidden: int
    heads: int
    heads_kv: int
    context: int
    rope_base: float
    epsilon: float
    tokens: int

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Stored(NamedTuple):
    """Where a weight lies on disk."""

    file: Path
    offset: int
    length: int
    kind: Kind
    shape: tuple[int, ...]

    def read(self) -> Any:
        """Return it in single precision; NumPy knows no bfloat16."""
        data = np.memmap(self.file, np.uint8, "r", self.offset, (self.length,))
        array = np.frombuffer(data, DTYPES[self.kind]).reshape(self.shape)
        if self.kind == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(np.float32)


def expected(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return every tensor of a model with its shape; the head may be missing where it is tied."""
    width, kv = shape.width, shape.head * shape.heads_kv
    layer = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (shape.hidden, width),
        "mlp.up_proj": (shape.hidden, width),
        "mlp.down_proj": (width, shape.hidden),
    }
    found: dict[str, tuple[int, ...]] = {
        f"model.layers.{n}.{part}.weight": size
        for n in range(shape.layers)
        for part, size in layer.items()
    }
    table = (shape.tokens, width)
    return found | {
        "model.embed_tokens.weight": table, "model.norm.weight": (width,), "lm_head.weight": table
    }  # fmt: skip


def shape_of(place: Path) -> Shape:
    """Return the sizes in a directory's config; raises `BadModel` for a model of another family."""
    try:
        config = dict(json.loads((place / "config.json").read_bytes()))
        config |= turned(config)
    except (OSError, *WRONG) as exc:
        raise BadModel(f"{place}: its config cannot be read: {exc}.") from exc
    unfit = [k for k in UNFIT if config.get(k)]
    if config.get("model_type") != "llama" or unfit:
        what = f"uses {unfit[0]}" if unfit else f"is of the family {config.get('model_type')!r}"
        raise BadModel(f"{place} {what}, which only MLX computes.")
    try:
        heads = int(config["num_attention_heads"])
        found = Shape(
            layers=int(config["num_hidden_layers"]),
            width=int(config["hidden_size"]),
            hidden=int(config["intermediate_size"]),
            heads=heads,
            heads_kv=int(config.get("num_key_value_heads") or heads),
            context=int(config["max_position_embeddings"]),
            rope_base=float(config.get("rope_theta") or 10_000.0),
            epsilon=float(config["rms_norm_eps"]),
            tokens=int(config["vocab_size"]),
        )
    except WRONG as exc:
        raise BadModel(f"{place}: its config lacks a size or holds a wrong one: {exc}.") from exc
    check_possible(found, place)
    if (config.get("head_dim") or found.head) != found.head:
        raise BadModel(f"{place}: its attention heads do not divide its width.")
    return found


def turned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config says of the rotary embedding, by the names that are read here.

    Transformers 5 keeps all of it in `rope_parameters`, which mlx-lm does not know of this family.
    """
    told = config.get("rope_parameters")
    if not isinstance(told, Mapping):
        return {}
    found = {"rope_theta": told.get("rope_theta")}
    if told.get("rope_type", "default") != "default":
        found["rope_scaling"] = dict(told)
    return {k: v for k, v in found.items() if v is not None and config.get(k) is None}


def check_counts(config: Mapping[str, Any], place: Path) -> None:
    """Raise `BadModel` for more layers, heads or experts than any model of any family has.

    MLX makes an object of each before it looks at the weights: millions end the process.
    """
    for name, found in config.items():
        if isinstance(found, Mapping):
            check_counts(found, place)
        if COUNTS.search(name) and isinstance(found, int | float) and abs(found) > MOST_COUNTED:
            raise BadModel(f"{place}: its config holds a {name} that no model can have.")


def check_possible(shape: Shape, place: Path) -> None:
    """Raise `BadModel` for sizes that no model can have."""
    sizes = (shape.width, shape.hidden, shape.context, shape.tokens)
    if min(sizes) < 1 or max(sizes) > MOST_SIZE:
        raise BadModel(f"{place}: its config holds a size that no model can have.")
    if not 0 < shape.layers <= MOST_LAYERS:
        raise BadModel(f"{place}: it has {shape.layers} layers, not between 1 and {MOST_LAYERS}.")
    fits = min(shape.heads, shape.heads_kv) > 0 and shape.width % shape.heads == 0
    if not fits or shape.heads % shape.heads_kv:
        raise BadModel(f"{place}: its attention heads do not divide its width.")
    if shape.head % 2:
        raise BadModel(f"{place}: its attention heads have no two halves, which are turned.")
    if not all(1 / MOST_REAL < n < MOST_REAL for n in (shape.rope_base, shape.epsilon)):
        raise BadModel(f"{place}: it holds a number of its embedding or norms that cannot be.")


def stored(place: Path, shape: Shape) -> dict[str, Stored]:
    """Return where every weight of a directory lies, by name.

    Raises `BadModel` unless all are there, in their shapes, where the files have room for them.
    """
    wanted, found = expected(shape), {}
    for path in sorted(place.glob("*.safetensors")):
        for name, tensor in _header(path):
            if name not in wanted or tensor.shape != wanted.pop(name):
                raise BadModel(f"{path}: the tensor {name!r} does not belong, or not in its shape.")
            found[name] = tensor
    missing = sorted(wanted.keys() - {"lm_head.weight"})
    if missing:
        raise BadModel(f"{place} is not whole: {missing[0]} is missing.")
    return found


def weights(place: Path, shape: Shape) -> Iterator[tuple[str, Any]]:
    """Yield each weight of a directory in single precision; raises `BadModel` as `stored` does."""
    for name, tensor in stored(place, shape).items():
        array = tensor.read()
        if not np.isfinite(array).all():
            raise BadModel(f"{tensor.file}: {name} holds something that is no number.")
        yield name, array


def _header(path: Path) -> Iterator[tuple[str, Stored]]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = 8 + struct.unpack("<Q", file.read(8))[0]
            # Looked at first: room is made for as much as is asked for.
            told = json.loads(file.read(start - 8 if start <= size else 0))
        for name, tensor in told.items():
            if name != "__metadata__":
                yield name, _stored(path, name, start, size, tensor)
    except (*WRONG, OSError, struct.error) as exc:
        raise BadModel(f"{path} does not hold what its header says: {exc}.") from exc


def _stored(path: Path, name: str, start: int, size: int, told: Mapping[str, Any]) -> Stored:
    kind, shape = told["dtype"], tuple(map(index, told["shape"]))
    if kind not in get_args(Kind):
        raise BadModel(f"{path}: {name} is kept as {kind}, which is not computed here.")
    begin, end = map(index, told["data_offsets"])
    length = math.prod(shape) * np.dtype(DTYPES[kind]).itemsize
    if end - begin != length or begin < 0 or start + end > size:
        raise BadModel(f"{path}: {name} does not lie where its header says.")
    return Stored(path.resolve(), start + begin, length, kind, shape)
