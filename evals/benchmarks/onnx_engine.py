"""ONNX Runtime beside the engines that serve: the same weights as a graph, never in the product.

The graph is written here, since ready converters need PyTorch: Llama as in
`tools/slm/packing.py`, attention by com.microsoft's GroupQueryAttention with its rotary embedding
(https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from tools.slm.decoding import Read, decode, shares
from tools.slm.engine import Prompt, Schema, Stop
from tools.slm.gguf_file import Shape
from tools.slm.packing import shape_of, weights
from tools.slm.vocabulary import Laid, Vocabulary

CONTRIB = "com.microsoft"
Past = list[Any]
"""Keys and values of each layer so far: (1, heads of keys, tokens, size of a head)."""


class OnnxEngine:
    """A model directory in single precision, or its matrices in 8 bits."""

    def __init__(self, place: Path, *, eight_bits: bool) -> None:
        config = json.loads((place / "config.json").read_bytes())
        self._vocabulary = Vocabulary(place / "tokenizer.json", config)
        self._shape = shape_of(place)
        self._session = _session(place, self._shape, eight_bits=eight_bits)
        self._kept: dict[tuple[int, ...], Past] = {}

    def close(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        del self._session

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return the probability of each choice as what comes next."""
        laid = self._vocabulary.laid(prompt)
        logits = self._after(laid)(laid.rest)
        return shares(logits, self._vocabulary.firsts(choices), choices)

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        """Yield what the model says next."""
        laid = self._vocabulary.laid(prompt, limit)
        yield from decode(self._after(laid), laid.rest, self._vocabulary, schema, limit)

    def _after(self, laid: Laid) -> Read:
        if laid.prefix not in self._kept:
            empty = np.zeros((1, self._shape.heads_kv, 0, self._shape.head), np.float32)
            past = [empty] * (2 * self._shape.layers)
            self._kept[laid.prefix] = self._run(laid.prefix, past)[1] if laid.prefix else past
        past = self._kept[laid.prefix]

        def read(tokens: Sequence[int]) -> Any:
            nonlocal past
            logits, past = self._run(tokens, past)
            return logits

        return read

    def _run(self, tokens: Sequence[int], past: Past) -> tuple[Any, Past]:
        total = past[0].shape[2] + len(tokens)
        given = {
            "tokens": np.array([tokens], np.int64),
            "last": np.array([total - 1], np.int32),
            "total": np.array(total, np.int32),
            **{f"past.{n}": array for n, array in enumerate(past)},
        }
        logits, *present = self._session.run(None, given)
        return logits[0, 0], present


def _session(place: Path, shape: Shape, *, eight_bits: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="pillion-onnx-") as folder:
        path = Path(folder, "model.onnx")
        onnx.save(_graph(place, shape), path)
        if eight_bits:
            whole, path = path, path.with_name("eight.onnx")
            quantization.quantize_dynamic(
                whole, path, op_types_to_quantize=["MatMul"], per_channel=True,
                weight_type=quantization.QuantType.QInt8,
                # What GroupQueryAttention gives is not inferred.
                extra_options={"DefaultTensorType": TensorProto.FLOAT},
            )  # fmt: skip
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _graph(place: Path, shape: Shape) -> Any:
    """Return the model: tokens and what was read before, to logits of the next and what was."""
    made = _Graph(shape)
    for name, array in weights(place, shape):
        # A linear layer multiplies by its matrix turned over; the embedding is looked up in.
        turned = array.ndim == 2 and "embed" not in name
        made.constant(name.removesuffix(".weight"), array.T if turned else array)
        if "embed" in name:
            made.constant("tied", array.T)
    return made.model()


class _Graph:
    """Nodes and constants as they are added; the name of a value is its node's."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, array: Any) -> None:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)

    def node(self, kind: str, name: str, *given: str, domain: str = "", **options: Any) -> str:
        outputs = [name]
        if kind == "GroupQueryAttention":
            layer = int(name.split(".")[2])
            outputs += [f"present.{2 * layer}", f"present.{2 * layer + 1}"]
        self._nodes.append(helper.make_node(kind, given, outputs, name, domain=domain, **options))
        return name

    def norm(self, name: str, value: str) -> str:
        return self.node(
            "SimplifiedLayerNormalization", f"{name}.of", value, name,
            axis=-1, epsilon=self._shape.epsilon, stash_type=1,
        )  # fmt: skip

    def linear(self, name: str, value: str) -> str:
        return self.node("MatMul", f"{name}.of", value, name)

    def layer(self, number: int, value: str) -> str:
        at = f"model.layers.{number}"
        attended = self._attention(number, at, self.norm(f"{at}.input_layernorm", value))
        value = self.node("Add", f"{at}.attended", value, attended)
        normed = self.norm(f"{at}.post_attention_layernorm", value)
        gate = self.linear(f"{at}.mlp.gate_proj", normed)
        opened = self.node("Mul", f"{at}.silu", gate, self.node("Sigmoid", f"{at}.gate", gate))
        up = self.linear(f"{at}.mlp.up_proj", normed)
        fed = self.linear(f"{at}.mlp.down_proj", self.node("Mul", f"{at}.fed", opened, up))
        return self.node("Add", f"{at}.out", value, fed)

    def _attention(self, number: int, at: str, value: str) -> str:
        parts = [self.linear(f"{at}.self_attn.{part}_proj", value) for part in "qkv"]
        mixed = self.node(
            "GroupQueryAttention", f"{at}.self_attn.mixed", *parts, f"past.{2 * number}",
            f"past.{2 * number + 1}", "last", "total", "cos", "sin", domain=CONTRIB,
            num_heads=self._shape.heads, kv_num_heads=self._shape.heads_kv, do_rotary=1,
        )  # fmt: skip
        return self.linear(f"{at}.self_attn.o_proj", mixed)

    def model(self) -> Any:
        shape = self._shape
        step = np.arange(0, shape.head, 2, dtype=np.float64) / shape.head
        angles = np.outer(np.arange(shape.context), shape.rope_base**-step)
        self.constant("cos", np.cos(angles).astype(np.float32))
        self.constant("sin", np.sin(angles).astype(np.float32))
        self.constant("end", np.array([-1], np.int64))
        value = self.node("Gather", "embedded", "model.embed_tokens", "tokens")
        for number in range(shape.layers):
            value = self.layer(number, value)
        value = self.norm("model.norm", self.node("Gather", "next", value, "end", axis=1))
        head = "lm_head" if "lm_head" in self._constants else "tied"
        self.node("MatMul", "logits", value, head)
        return self._whole(head)

    def _whole(self, head: str) -> Any:
        shape, real = self._shape, TensorProto.FLOAT
        unused = {"tied", "lm_head"} - {head}
        kept = (1, shape.heads_kv, "before", shape.head)
        after = (1, shape.heads_kv, "after", shape.head)
        count = 2 * shape.layers
        graph = helper.make_graph(
            self._nodes, "llama",
            [
                helper.make_tensor_value_info("tokens", TensorProto.INT64, (1, "new")),
                helper.make_tensor_value_info("last", TensorProto.INT32, (1,)),
                helper.make_tensor_value_info("total", TensorProto.INT32, ()),
                *(helper.make_tensor_value_info(f"past.{n}", real, kept) for n in range(count)),
            ],
            [
                helper.make_tensor_value_info("logits", real, (1, 1, shape.tokens)),
                *(helper.make_tensor_value_info(f"present.{n}", real, after) for n in range(count)),
            ],
            [array for name, array in self._constants.items() if name not in unused],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)
