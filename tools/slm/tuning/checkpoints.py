"""Where a training stands, in one file that is there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from tools.failpoints import crash_point
from tools.messages import Message

# isort: split
from tools.slm.blas import LOADED as LOADED

# isort: split
import mlx.core as mx

from tools.slm.errors import BadModel
from tools.slm.languages import check_safetensors

Ended = Literal["", "nothing better", "epochs", "time", "diverged"]
NOTE = "pillion"
"""Key of the note in the file's metadata."""


class Standing(Message):
    """What a training knows besides its arrays."""

    step: int = 0
    best_step: int = 0
    losses: tuple[tuple[int, float], ...] = Field(default=())
    """Validation losses by step."""
    seconds: float = 0.0
    ended: Ended = ""
    """Why training is over; nothing while it is not."""


class Checkpoint(NamedTuple):
    """The arrays of a training: `adapter.…`, `best.…` and `optimizer.…`, and its standing."""

    standing: Standing
    arrays: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Any]:
        """Return the arrays of one part by their names in it."""
        start = f"{name}."
        return {n.removeprefix(start): a for n, a in self.arrays.items() if n.startswith(start)}


def keep(path: Path, standing: Standing, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a checkpoint; a killed writer leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")
    arrays = {f"{part}.{name}": a for part, held in parts.items() for name, a in held.items()}
    mx.save_safetensors(str(draft), arrays, {NOTE: standing.model_dump_json()})
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    crash_point("slm.tuning.draft")
    os.replace(draft, path)
    crash_point("slm.tuning.kept")


def read(path: Path) -> Checkpoint | None:
    """Return a checkpoint; None where there is none, or it is damaged: training begins anew."""
    if not path.is_file():
        return None
    try:
        check_safetensors(path)
        loaded: Any = mx.load(str(path), return_metadata=True)
        arrays, notes = loaded
        return Checkpoint(Standing.model_validate_json(notes[NOTE]), arrays)
    except (BadModel, KeyError, RuntimeError, ValidationError):
        return None
