"""A language model small enough for tests: two layers and 270 tokens, as GGUF and converted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType, GGUFWriter, TokenType
from safetensors.numpy import load_file, save_file
from tokenizers.pre_tokenizers import ByteLevel

WIDTH, HIDDEN, HEADS, HEADS_KV, LAYERS = 32, 64, 2, 1, 2
"""ONNX Runtime takes no heads that are narrower than 16."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("t h", "th e", "Ġ the", "i n", "o n")
ANSWERS = (*MERGES, "Ġ y", "Ġ n")
"""Merges by which ` yes` and ` no` begin with different tokens."""


def vocabulary(merges: Sequence[str] = MERGES) -> list[str]:
    """Return special tokens, every byte, and what the merges make."""
    return [*SPECIAL, *sorted(ByteLevel.alphabet()), *(m.replace(" ", "") for m in merges)]


def rotated(weight: Any, heads: int) -> Any:
    """Order the rows of a query or key matrix as llama.cpp keeps them."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)


def make_weights(seed: int = 5, merges: Sequence[str] = MERGES) -> dict[str, Any]:
    """Return a model's weights by GGUF's names, query and key in the order of Hugging Face."""
    rng = np.random.default_rng(seed)
    kv = WIDTH // HEADS * HEADS_KV
    layer = {
        "attn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH), "attn_k": (kv, WIDTH),
        "attn_v": (kv, WIDTH), "attn_output": (WIDTH, WIDTH), "ffn_norm": (WIDTH,),
        "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(vocabulary(merges)), WIDTH), "output_norm.weight": (WIDTH,)
    }  # fmt: skip
    for n in range(LAYERS):
        shapes |= {f"blk.{n}.{part}.weight": size for part, size in layer.items()}
    return {
        name: rng.normal(0, 0.3, size).astype(np.float32) if len(size) > 1 else
        np.ones(size, np.float32)
        for name, size in shapes.items()
    }  # fmt: skip


def make_gguf(
    path: Path,
    *,
    weights: dict[str, Any] | None = None,
    architecture: str = "llama",
    pre: str = "smollm",
    heads: int = HEADS,
    context: int = 256,
    merges: Sequence[str] = MERGES,
    epsilon: Any = 1e-5,
    rope_base: Any = 10_000.0,
) -> Path:
    """Write a GGUF file."""
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(heads)
    writer.add_head_count_kv(HEADS_KV)
    for field, value in (
        ("attention.layer_norm_rms_epsilon", epsilon), ("rope.freq_base", rope_base)
    ):  # fmt: skip
        kind = GGUFValueType.FLOAT32 if isinstance(value, float) else GGUFValueType.get_type(value)
        writer.add_key_value(f"{architecture}.{field}", value, kind)
    tokens = vocabulary(merges)
    kinds = [TokenType.CONTROL] * len(SPECIAL) + [TokenType.NORMAL] * (len(tokens) - len(SPECIAL))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(merges))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ cycler.__init__.__globals__.os.system('id') }}")
    turned = {"attn_q": HEADS, "attn_k": HEADS_KV}
    for name, array in (weights or make_weights(merges=merges)).items():
        part = name.split(".")[-2]
        stored = rotated(array, turned[part]) if part in turned else array
        writer.add_tensor(name, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def config_with(place: Path, **changes: object) -> None:
    """Change the config of a converted model."""
    path = place / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def weights_with(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the weights of a converted model."""
    weights = dict(load_file(place / "model.safetensors"))
    change(weights)
    save_file(weights, str(place / "model.safetensors"))


def keep_short(place: Path) -> None:
    """Keep the weights of a converted model as bfloat16, which NumPy's writer does not know."""
    path = place / "model.safetensors"
    found = {n: a.astype(np.float32).view(np.uint32) >> 16 for n, a in load_file(path).items()}
    save_file({n: a.astype("<u2") for n, a in found.items()}, str(path))
    body = path.read_bytes()
    start = 8 + int.from_bytes(body[:8], "little")
    header = body[8:start].replace(b'"U16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + body[start:])
