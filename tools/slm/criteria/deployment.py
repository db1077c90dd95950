"""What a candidate needs to serve, and how much of it: read from what is installed here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

from tools.slm.blas import LOADED
from tools.slm.criteria.results import Deployment, Form

LANGUAGE = ("mlx", "mlx-cpu", "mlx-metal", "mlx-lm", "tokenizers", "transformers", "safetensors",
            "huggingface-hub", "sentencepiece", "protobuf", "numpy", "jinja2")  # fmt: skip
"""What `pillion[model]` brings for scoring."""
SHOWN = ("pillion", "numpy", "scikit-learn", "mlx", "mlx-lm", "tokenizers")
EVERYWHERE = "Linux and macOS, any processor"
FAST = "macOS on Apple silicon (Metal); Linux on x86-64 and ARM (processor)"


def deployment_of(form: Form) -> Deployment:
    """Return what a candidate of a form needs."""
    if form != "language":
        needs: tuple[str, ...] = ("nothing beyond Pillion",)
        if form == "judge":
            needs = (*needs, "scikit-learn to train (pillion[train])")
        return Deployment(needs=needs, packages=0, platforms=EVERYWHERE)
    needs = ("pillion[model]",)
    if sys.platform.startswith("linux"):
        needs = (*needs, "libopenblas0")
    return Deployment(needs=needs, packages=sum(map(_bytes, LANGUAGE)), platforms=FAST)


def _bytes(package: str) -> int:
    """Return how much an installed package takes on disk; 0 where it is not installed."""
    try:
        files = importlib.metadata.distribution(package).files or ()
    except importlib.metadata.PackageNotFoundError:
        return 0
    places = (Path(str(f.locate())) for f in files)
    return sum(place.stat().st_size for place in places if place.is_file())


def versions() -> dict[str, str]:
    """Return the versions of what was measured with."""
    found = {"python": platform.python_version()}
    for package in SHOWN:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"blas": LOADED or "the one that MLX brings"}


def machine() -> dict[str, str]:
    """Return what it was measured on, without any name of the machine."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": f"{usable} of {os.cpu_count()} usable",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        found = re.search(r"model name\s*:\s*(.+)", path.read_text())
        if found:
            return found.group(1)
    return platform.processor() or "unknown"
