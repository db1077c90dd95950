"""What a candidate needs to serve, and how much of it: read from what is installed here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.slm.blas import LOADED
from tools.slm.criteria.results import Deployment, Form
from tools.slm.engines import EXTRAS, EngineName

_BOTH = ("llguidance", "tokenizers", "huggingface-hub", "numpy")
PACKAGES: Mapping[EngineName, tuple[str, ...]] = {
    "mlx": (*_BOTH, "mlx", "mlx-cpu", "mlx-metal", "mlx-lm", "transformers", "safetensors",
            "sentencepiece", "protobuf", "jinja2"),
    "onnx": (*_BOTH, "onnx", "onnxruntime", "ml-dtypes", "protobuf", "flatbuffers"),
    "llama": (*_BOTH, "xllamacpp"),
}  # fmt: skip
"""What an engine needs installed for scoring."""
SHOWN = ("pillion", "numpy", "scikit-learn", "mlx", "mlx-lm", "onnxruntime", "xllamacpp",
         "tokenizers")  # fmt: skip
EVERYWHERE = "Linux and macOS, any processor"
PLATFORMS: Mapping[EngineName, str] = {
    "mlx": "macOS on Apple silicon (Metal); Linux on x86-64 and ARM (processor)",
    "onnx": "Linux and macOS, x86-64 and ARM (processor)",
    "llama": "Linux on x86-64 and ARM (processor)",
}


def deployment_of(form: Form, engine: EngineName = "mlx") -> Deployment:
    """Return what a candidate of a form needs; a language model by what computes it."""
    if form != "language":
        needs: tuple[str, ...] = ("nothing beyond Pillion",)
        if form == "judge":
            needs = (*needs, "scikit-learn to train (pillion[train])")
        return Deployment(needs=needs, packages=0, platforms=EVERYWHERE)
    needs = (f"pillion[{EXTRAS[engine]}]",)
    if engine == "mlx" and sys.platform.startswith("linux"):
        needs = (*needs, "libopenblas0")
    packages = sum(map(_bytes, PACKAGES[engine]))
    return Deployment(needs=needs, packages=packages, platforms=PLATFORMS[engine])


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
