"""A model cut in two: frozen lower layers, computed once a prompt, and upper layers with LoRA.

An adapter is small because little is learned, and quick because the lower layers' results stay.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from tools.slm.blas import LOADED as LOADED

# isort: split
import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.base import create_attention_mask
from mlx_lm.tuner.lora import LoRALinear
from mlx_lm.tuner.utils import linear_to_lora_layers

from tools.slm.errors import BadModel
from tools.slm.languages import check_safetensors
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Shape

PARTS = ("embed_tokens", "layers", "norm")
CLOSE = 2e-2
"""How far the logits of the two halves may lie from the whole model's; rounding is far below."""
BATCH = 8
Made = MutableMapping[tuple[int, ...], Any]
"""What the frozen layers made of prompts, by their tokens: the same in every training."""


class Halves:
    """The two halves of a loaded llama-like model.

    Raises `BadModel` where a model is built otherwise.
    """

    def __init__(self, model: Any, layers: int) -> None:
        inner = getattr(model, "model", None)
        if inner is None or any(not hasattr(inner, part) for part in PARTS):
            raise BadModel("This model's family cannot be tuned; take a llama-like one.")
        self.model, self._inner = model, inner
        self.upper = min(layers, len(inner.layers))

    def check(self, tokens: Sequence[int]) -> None:
        """Raise `BadModel` when the halves do not say what the model says."""
        rows, lengths = padded([tokens])
        halved = self.logits(self.lower(rows), lengths)
        whole = self.model(mx.array([list(tokens)]))[0, -1]
        if not mx.allclose(halved[0], whole, rtol=CLOSE, atol=CLOSE).item():
            raise BadModel("This model's family cannot be tuned; take a llama-like one.")

    def lower(self, rows: mx.array) -> mx.array:
        """Return what the frozen layers make of rows of tokens: rows, positions, width."""
        found = []
        for start in range(0, len(rows), BATCH):
            h = self._inner.embed_tokens(rows[start : start + BATCH])
            h = self._through(self._inner.layers[: -self.upper], h)
            mx.eval(h)
            found.append(h)
        return mx.concatenate(found)

    def hidden(self, rows: Sequence[Sequence[int]], made: Made) -> mx.array:
        """Return the same for rows as tokens, padded behind them, from `made` where it is there."""
        new = sorted({tuple(row) for row in rows} - made.keys(), key=lambda row: (len(row), row))
        for start in range(0, len(new), BATCH):
            some = new[start : start + BATCH]
            found = self.lower(padded(some)[0])
            made.update((row, h[: len(row)]) for row, h in zip(some, found, strict=True))
        longest = max(map(len, rows))
        return mx.stack(
            [mx.pad(made[tuple(row)], [(0, longest - len(row)), (0, 0)]) for row in rows]
        )

    def logits(self, hidden: mx.array, lengths: mx.array) -> mx.array:
        """Return the logits after the last token of each row, from the lower layers' result.

        What pads a row lies behind its last token, which never sees it.
        """
        h = self._through(self._inner.layers[-self.upper :], hidden)
        last = self._inner.norm(h[mx.arange(len(lengths)), lengths - 1])
        head = getattr(self.model, "lm_head", None)
        found: mx.array
        found = head(last) if head is not None else self._inner.embed_tokens.as_linear(last)
        return found.astype(mx.float32)

    def _through(self, layers: Sequence[Any], h: mx.array) -> mx.array:
        mask = create_attention_mask(h)
        for layer in layers:
            h = layer(h, mask, cache=None)
        return h


def padded(rows: Sequence[Sequence[int]]) -> tuple[mx.array, mx.array]:
    """Return rows of tokens as one array, padded at the end, and how long each is."""
    longest = max(map(len, rows))
    filled = [[*row, *[0] * (longest - len(row))] for row in rows]
    return mx.array(filled), mx.array([len(row) for row in rows])


def add_lora(model: Any, shape: Shape) -> None:
    """Freeze a model and lay new LoRA matrices over its upper layers."""
    model.freeze()
    told = {"rank": shape.rank, "scale": shape.scale, "dropout": 0.0, "keys": set(shape.keys)}
    linear_to_lora_layers(model, shape.layers, told)


def trained_of(model: Any) -> dict[str, mx.array]:
    """Return the LoRA matrices by name."""
    return dict(tree_flatten(model.trainable_parameters()))


def attach(model: Any, folder: Path) -> None:
    """Lay an adapter over a loaded model and melt it in; raises `BadModel` for what is none."""
    check_safetensors(folder / WEIGHTS)
    shape = read_shape(folder / CONFIG)
    add_lora(model, shape)
    found: Any = mx.load(str(folder / WEIGHTS))
    wanted = trained_of(model)
    if {n: w.shape for n, w in wanted.items()} != {n: w.shape for n, w in found.items()}:
        raise BadModel(f"{folder} is no adapter of this model: its matrices have other shapes.")
    if not all(mx.isfinite(w).all().item() for w in found.values()):
        raise BadModel(f"{folder} holds what is no number.")
    model.load_weights(list(found.items()), strict=False)
    melted = [(n, m.fuse()) for n, m in model.named_modules() if isinstance(m, LoRALinear)]
    model.update_modules(tree_unflatten(melted))


def read_shape(path: Path) -> Shape:
    """Read what mlx-lm calls the configuration of an adapter; raises `BadModel`."""
    try:
        told = json.loads(path.read_bytes())
        return Shape(layers=told["num_layers"], **told["lora_parameters"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadModel(f"{path} is damaged; tune again.") from exc
