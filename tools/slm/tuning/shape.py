"""What is learned of a model, and how: the sizes of an adapter and the pace of its training."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tools.messages import Message

WEIGHTS, CONFIG = "adapters.safetensors", "adapter_config.json"
"""The files of an adapter, as mlx-lm calls them."""


class Shape(Message):
    """How large an adapter is."""

    layers: Annotated[int, Field(gt=0, le=256)] = 8
    """Upper layers that get matrices; those below stay as they are and are computed once."""
    rank: Annotated[int, Field(gt=0, le=256)] = 8
    scale: Annotated[float, Field(gt=0, le=1000)] = 4.0
    dropout: float = 0.0
    keys: tuple[str, ...] = (
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    )  # fmt: skip

    def config(self) -> dict[str, Any]:
        """Return it as mlx-lm writes it beside an adapter."""
        parameters = self.model_dump(mode="json", exclude={"layers"})
        return {"fine_tune_type": "lora", "num_layers": self.layers, "lora_parameters": parameters}


class Pace(Message):
    """How an adapter is trained."""

    batch: Annotated[int, Field(gt=0)] = 4
    rate: Annotated[float, Field(gt=0)] = 1e-4
    epochs: Annotated[int, Field(gt=0)] = 12
    patience: Annotated[int, Field(gt=0)] = 4
    """Looks at the validation loss without a better one, and training ends."""
    look: Annotated[int, Field(gt=0)] = 8
    """Steps from one look to the next."""
    keep: Annotated[int, Field(gt=0)] = 8
    """Steps from one checkpoint to the next."""
    seed: int = 20260401
