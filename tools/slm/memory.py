"""How much memory is left: a library that gets none ends the process, so it is asked beforehand."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tools.slm.errors import ModelError

CGROUP = Path("/sys/fs/cgroup")


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
