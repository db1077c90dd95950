"""How much memory is left, and how much a model takes.

A library that gets none ends the process, so it is asked beforehand.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tools.slm.errors import ModelError

CGROUP = Path("/sys/fs/cgroup")
BESIDE = 150_000_000
"""Bytes that a model takes beside its weights: what it has read, and what it computes with."""
MELTED = 5
"""Times its own size that an adapter takes while it is melted in: 13 MB more at the peak, for
matrices of 2.6 MB."""
LONG = 128
"""Tokens of a prompt that is tuned on; they have less."""
SINGLE = 4
"""Bytes of a number in single precision."""


def free_bytes(cgroup: Path = CGROUP) -> int:
    """Return what this process can still take: of the machine, its container and its own limit."""
    return min((psutil.virtual_memory().available, *_of_container(cgroup), *_of_process()))


def _of_container(cgroup: Path) -> Iterator[int]:
    """Yield what is left of a control group's memory (version 2); file cache counts as free."""
    with suppress(OSError, ValueError):
        most = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        told = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        yield most - used + int(told.get("inactive_file", 0))


def _of_process() -> Iterator[int]:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        yield most - psutil.Process().memory_info().vms


def require(needed: int, what: str) -> None:
    """Raise `ModelError` when so many bytes are not left."""
    free = free_bytes()
    if free < needed:
        raise ModelError(
            f"There is not enough memory for {what}: it needs about {needed / 1e6:.0f} MB, and"
            f" {max(free, 0) / 1e6:.0f} MB are left."
        )


def give_back() -> None:
    """Give what was freed back to the system; glibc keeps much of it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def llama_bytes(packed: Path) -> int:
    """Return about what llama.cpp takes for a model."""
    return packed.stat().st_size + BESIDE


def mlx_bytes(place: Path, adapter: Path | None = None) -> int:
    """Return about what MLX takes for a model directory, and for an adapter that is melted in."""
    return _weights(place) + BESIDE + (_size(adapter) * MELTED if adapter else 0)


def tuning_bytes(place: Path, prompts: int) -> int:
    """Return about what tuning a model on so many prompts takes.

    What the frozen layers made of them is kept, once by prompt and once by part.
    """
    return _weights(place) + 2 * BESIDE + 2 * prompts * LONG * _width(place) * SINGLE


def _weights(place: Path) -> int:
    """Return the size of a model's weights in memory: on Linux MLX computes in single precision."""
    return _size(place) * (2 if sys.platform.startswith("linux") else 1)


def _size(place: Path) -> int:
    return sum(p.stat().st_size for p in place.glob("*.safetensors"))


def _width(place: Path) -> int:
    """Return how many numbers a token is to a model; 1,024 where its configuration does not say."""
    try:
        found: Any = json.loads((place / "config.json").read_bytes())["hidden_size"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1024
    return found if isinstance(found, int) else 1024
