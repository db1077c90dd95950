"""A llama-like model as an ONNX graph over the weights where they lie, written here.

Ready converters need PyTorch, and write all weights again. This graph names their places in the
safetensors files instead; ONNX Runtime maps them and keeps what it computes with. Its operators of
com.microsoft: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tools.slm.family import Kind, Shape, Stored

CONTRIB = "com.microsoft"
OPSETS = (("", 18), (CONTRIB, 1))
IR_VERSION = 9
REAL = TensorProto.FLOAT
KINDS: Mapping[Kind, int] = {
    "F32": REAL, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16
}  # fmt: skip
EMBEDDING, HEAD = "model.embed_tokens", "lm_head"
HEAD_PARTS = 8
"""A weight is in memory twice while it is laid out anew, so the largest is taken in parts."""


def graph_of(shape: Shape, stored: Mapping[str, Stored], folder: Path, context: int) -> bytes:
    """Return the model: tokens and what was read, to logits of the next and what was read then.

    Weights are named by their files' paths below `folder`.

    Inputs: `tokens` (1, new); `last` (1), the position of the last new one; `total`, one more;
    and keys and values of each layer, `past.N` (1, heads of keys, context, width of a head), of
    which `present.N` may be the same memory. Output: `logits` (1, 1, vocabulary).
    """
    return bytes(_Graph(shape, stored, folder, context).model().SerializeToString())


class _Graph:
    """Nodes and constants as they are added; a value is called what its node is called."""

    def __init__(
        self, shape: Shape, stored: Mapping[str, Stored], folder: Path, context: int
    ) -> None:
        self._shape, self._stored = shape, dict(stored)
        self._folder, self._context = folder, context
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self) -> Any:
        shape = self._shape
        self._turns()
        self._constants["end"] = numpy_helper.from_array(np.array([-1], np.int64), "end")
        # Looked up where it lies, so that only the rows that are asked for are ever read.
        looked_up = self._node("Gather", "looked_up", self._weight(EMBEDDING), "tokens")
        value = self._node("Cast", "embedded", looked_up, to=REAL)
        norm = self._real("model.layers.0.input_layernorm")
        normed = self._node(
            "SimplifiedLayerNormalization", "first", value, norm,
            axis=-1, epsilon=shape.epsilon, stash_type=1,
        )  # fmt: skip
        for number in range(shape.layers):
            value, normed = self._layer(number, value, normed)
        head = HEAD if f"{HEAD}.weight" in self._stored else EMBEDDING
        last = self._node("Gather", "next", normed, "end", axis=1)
        parts = [self._linear(f"{part}.logits", last, part) for part in self._parts(head)]
        self._node("Concat", "logits", *parts, axis=-1)
        return self._whole()

    def _layer(self, number: int, value: str, normed: str) -> tuple[str, str]:
        """Return what comes out of a layer, as it is and as the next one takes it."""
        at = f"model.layers.{number}"
        attended = self._attention(number, normed)
        value, normed = self._added(
            f"{at}.attended", value, attended, f"{at}.post_attention_layernorm"
        )
        gate, up = (self._linear(f"{at}.{p}", normed, f"{at}.mlp.{p}_proj") for p in ("gate", "up"))
        # Swish: x * sigmoid(x).
        opened = self._node("QuickGelu", f"{at}.opened", gate, domain=CONTRIB, alpha=1.0)
        fed = self._node("Mul", f"{at}.fed", opened, up)
        down = self._linear(f"{at}.down", fed, f"{at}.mlp.down_proj")
        last = number + 1 == self._shape.layers
        norm = "model.norm" if last else f"model.layers.{number + 1}.input_layernorm"
        return self._added(f"{at}.out", value, down, norm)

    def _attention(self, number: int, normed: str) -> str:
        at = f"model.layers.{number}.self_attn"
        parts = [self._linear(f"{at}.{p}", normed, f"{at}.{p}_proj") for p in "qkv"]
        kept = (2 * number, 2 * number + 1)
        mixed = self._node(
            "GroupQueryAttention", f"{at}.mixed", *parts, *(f"past.{n}" for n in kept),
            "last", "total", "cos", "sin", also=[f"present.{n}" for n in kept], domain=CONTRIB,
            num_heads=self._shape.heads, kv_num_heads=self._shape.heads_kv, do_rotary=1,
        )  # fmt: skip
        return self._linear(f"{at}.o", mixed, f"{at}.o_proj")

    def _added(self, name: str, value: str, more: str, norm: str) -> tuple[str, str]:
        """Return a sum and the sum normed."""
        normed = self._node(
            "SkipSimplifiedLayerNormalization", f"{name}.normed", value, more, self._real(norm),
            also=["", "", name], domain=CONTRIB, epsilon=self._shape.epsilon,
        )  # fmt: skip
        return name, normed

    def _linear(self, name: str, value: str, weight: str) -> str:
        return self._node(
            "FusedMatMul", name, value, self._real(weight), domain=CONTRIB, transB=1
        )  # fmt: skip

    def _node(
        self, kind: str, name: str, *given: str, also: Sequence[str] = (), **options: Any
    ) -> str:
        self._nodes.append(helper.make_node(kind, given, [name, *also], name, **options))
        return name

    def _real(self, name: str) -> str:
        """Return a weight in single precision; ONNX Runtime converts it once, as it loads."""
        weight = self._weight(name)
        if self._stored[weight].kind == "F32":
            return weight
        return self._node("Cast", f"{name}.real", weight, to=REAL)

    def _weight(self, name: str) -> str:
        """Return a weight as it lies on disk."""
        weight = f"{name}.weight"
        if weight not in self._constants:
            self._constants[weight] = _placed(weight, self._stored[weight], self._folder)
        return weight

    def _parts(self, name: str) -> list[str]:
        """Return the names of parts of a weight, some rows each, where they lie."""
        whole, width = self._stored[f"{name}.weight"], self._shape.width
        size = whole.length // math.prod(whole.shape) * width
        bounds = np.linspace(0, whole.shape[0], HEAD_PARTS + 1).astype(int).tolist()
        names = []
        for start, end in pairwise(bounds):
            rows = whole._replace(
                offset=whole.offset + start * size, length=(end - start) * size,
                shape=(end - start, width),
            )  # fmt: skip
            self._stored[f"{name}.{start}.weight"] = rows
            names.append(f"{name}.{start}")
        return names

    def _turns(self) -> None:
        """Add how far each position is turned by the rotary embedding (Su et al., 2021)."""
        shape = self._shape
        step = np.arange(0, shape.head, 2, dtype=np.float64) / shape.head
        angles = np.outer(np.arange(self._context), shape.rope_base**-step)
        for name, turns in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
            self._constants[name] = numpy_helper.from_array(turns.astype(np.float32), name)

    def _whole(self) -> Any:
        shape, told = self._shape, helper.make_tensor_value_info
        kept = (1, shape.heads_kv, self._context, shape.head)
        count = range(2 * shape.layers)
        graph = helper.make_graph(
            self._nodes, "llama",
            [
                told("tokens", TensorProto.INT64, (1, "new")),
                told("last", TensorProto.INT32, (1,)),
                told("total", TensorProto.INT32, ()),
                *(told(f"past.{n}", REAL, kept) for n in count),
            ],
            [
                told("logits", REAL, (1, 1, shape.tokens)),
                *(told(f"present.{n}", REAL, kept) for n in count),
            ],
            list(self._constants.values()),
        )  # fmt: skip
        opsets = [helper.make_opsetid(*opset) for opset in OPSETS]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _placed(name: str, stored: Stored, folder: Path) -> Any:
    tensor = TensorProto(
        name=name, data_type=KINDS[stored.kind], dims=stored.shape,
        data_location=TensorProto.EXTERNAL,
    )  # fmt: skip
    location = stored.file.relative_to(folder).as_posix()
    told = {"location": location, "offset": stored.offset, "length": stored.length}
    for key, value in told.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor
