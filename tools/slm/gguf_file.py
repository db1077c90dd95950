"""Reading a GGUF file of a llama-like model, as it has to be before anything of it is used."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, dequantize

from tools.slm.errors import BadModel, ModelError
from tools.slm.family import MOST_LAYERS, Shape, check_possible, expected
from tools.slm.gguf_head import check_head

LARGEST = 4_000_000_000
"""Bytes of a file: ten times the default model, and far above what fits beside a product."""
MOST_WEIGHTS = 1_000_000_000
MOST_TOKENS = 500_000
UNREADABLE = (
    ValueError, IndexError, KeyError, TypeError, OverflowError, AssertionError, AttributeError,
    struct.error,
)  # fmt: skip
"""What the reader raises of a file that is cut off or something else."""
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
LAYER_NUMBER = re.compile(r"[0-9]{1,3}")
OUTER = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


class GgufFile:
    """An opened file; `shape` and the vocabulary are checked, tensors are read one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = _open(path)
        self._fields = self._reader.fields
        architecture = self.text("general.architecture")
        if architecture != "llama":
            raise BadModel(
                f"{path} holds a model of the family {architecture!r}; only llama-like ones"
                " (SmolLM2, Llama) can be converted. Give an mlx-lm directory instead."
            )
        self.tokens = self._list("tokenizer.ggml.tokens")
        self.shape = self._shape()

    def _shape(self) -> Shape:
        key = "llama."
        found = Shape(
            layers=self._whole(key + "block_count", MOST_LAYERS),
            width=self._whole(key + "embedding_length", 65_536),
            hidden=self._whole(key + "feed_forward_length", 1_000_000),
            heads=self._whole(key + "attention.head_count", 1024),
            heads_kv=self._whole(key + "attention.head_count_kv", 1024),
            context=self._whole(key + "context_length", 10_000_000),
            rope_base=self._real(key + "rope.freq_base", 10_000.0),
            epsilon=self._real(key + "attention.layer_norm_rms_epsilon"),
            tokens=len(self.tokens),
        )
        check_possible(found, self.path)
        if found.tokens > MOST_TOKENS:
            raise BadModel(f"{self.path}: a vocabulary of {found.tokens} tokens is not possible.")
        return found

    def value(self, name: str, default: Any = None) -> Any:
        """Return a field's value; raises `BadModel` where it is missing and has no default."""
        field = self._fields.get(name)
        if field is None:
            if default is None:
                raise BadModel(f"{self.path}: the field {name} is missing.")
            return default
        try:
            return field.contents()
        except UNREADABLE as exc:
            raise BadModel(f"{self.path}: the field {name} cannot be read.") from exc

    def text(self, name: str) -> str:
        """Return a field that is a text."""
        found = self.value(name)
        if not isinstance(found, str):
            raise BadModel(f"{self.path}: the field {name} is no text.")
        return found

    def _list(self, name: str) -> list[Any]:
        found = self.value(name)
        if not isinstance(found, list):
            raise BadModel(f"{self.path}: the field {name} is no list.")
        return found

    def merges(self) -> list[tuple[str, str]]:
        """Return the pairs that the tokenizer joins, in order."""
        pairs = [str(m).split(" ") for m in self._list("tokenizer.ggml.merges")]
        if any(len(p) != 2 for p in pairs):
            raise BadModel(f"{self.path}: a merge of its tokenizer is not a pair.")
        return [(a, b) for a, b in pairs]

    def special(self) -> list[str]:
        """Return the tokens that stand for no text (GGUF's token type 3)."""
        kinds = self._list("tokenizer.ggml.token_type")
        return [str(t) for t, kind in zip(self.tokens, kinds, strict=False) if kind == 3]

    def _whole(self, name: str, most: int) -> int:
        found = self.value(name)
        if not isinstance(found, int) or not 0 < found <= most:
            raise BadModel(f"{self.path}: {name} is {found!r}, not between 1 and {most}.")
        return found

    def _real(self, name: str, default: float | None = None) -> float:
        found = self.value(name, default)
        if not isinstance(found, int | float):
            raise BadModel(f"{self.path}: {name} is no number.")
        return float(found)

    def weights(self) -> Iterator[tuple[str, Any]]:
        """Yield each tensor by its Hugging Face name, in half precision.

        Raises `BadModel` for an unknown, missing or misshapen one.
        """
        wanted = expected(self.shape)
        optional = {"lm_head.weight"}
        if sum(int(t.n_elements) for t in self._reader.tensors) > MOST_WEIGHTS:
            raise BadModel(f"{self.path} has more than {MOST_WEIGHTS} weights; take a smaller one.")
        for tensor in self._reader.tensors:
            name = _name(tensor.name)
            if name is None or name not in wanted:
                raise BadModel(f"{self.path} holds a tensor {tensor.name!r} that does not belong.")
            yield name, self._array(tensor, wanted.pop(name), name)
        missing = sorted(wanted.keys() - optional)
        if missing:
            raise BadModel(f"{self.path} is not whole: {missing[0]} is missing.")

    def _array(self, tensor: Any, shape: tuple[int, ...], name: str) -> Any:
        told = tuple(tensor.shape[::-1].tolist())
        if told != shape:
            raise BadModel(f"{self.path}: {tensor.name} has the shape {told}, not {shape}.")
        with np.errstate(over="ignore"):
            found = self._dequantized(tensor).astype(np.float16)
        if not np.isfinite(found).all():
            raise BadModel(f"{self.path}: {tensor.name} holds something that is no number.")
        heads = {"q_proj": self.shape.heads, "k_proj": self.shape.heads_kv}
        for part, count in heads.items():
            if f".{part}." in name:
                found = _unrotated(found, count)
        return found

    def _dequantized(self, tensor: Any) -> Any:
        try:
            return dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as exc:
            raise BadModel(
                f"{self.path}: {tensor.name} is kept as {tensor.tensor_type.name}, which is not"
                " read here; take a file with another type of weights."
            ) from exc
        except MemoryError as exc:
            raise _too_large(self.path) from exc
        except UNREADABLE as exc:
            raise BadModel(f"{self.path}: the tensor {tensor.name} cannot be read.") from exc


def _open(path: Path) -> Any:
    if not path.is_file():
        raise BadModel(f"There is no file {path}; check the path.")
    if path.stat().st_size > LARGEST:
        raise BadModel(f"{path} is larger than {LARGEST} bytes; take a smaller model.")
    check_head(path)
    try:
        return GGUFReader(path)
    except MemoryError as exc:
        raise _too_large(path) from exc
    except UNREADABLE as exc:
        raise BadModel(f"{path} is cut off or damaged: {exc}; fetch it again.") from exc


def _too_large(path: Path) -> ModelError:
    return ModelError(f"There is not enough memory to read {path}.")


def _name(name: str) -> str | None:
    """Return the Hugging Face name of a tensor of GGUF's, or None."""
    match name.split("."):
        case ["blk", number, part, "weight"] if part in LAYER and LAYER_NUMBER.fullmatch(number):
            return f"model.layers.{int(number)}.{LAYER[part]}.weight"
        case [part, "weight"] if part in OUTER:
            return f"{OUTER[part]}.weight"
    return None


def _unrotated(weight: Any, heads: int) -> Any:
    """Put the rows of a query or key matrix back into the order that Hugging Face keeps.

    llama.cpp interleaves the two halves of each head for its rotary embedding.
    """
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
