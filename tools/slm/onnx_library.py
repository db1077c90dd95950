"""Whether ONNX Runtime can compute a model here, found out without loading it."""

from __future__ import annotations

import math
from importlib import metadata
from pathlib import Path

from tools.slm.errors import BadModel, Unavailable
from tools.slm.family import Shape, Stored, shape_of, stored

PACKAGE, SERIES = "onnxruntime", "1.32."
"""The only versions whose attention is known to keep what was read in the memory it is given."""
NARROWEST = 16
"""The width of a head has to be a multiple of it."""
REAL_BYTES = 4


def readable(place: Path) -> tuple[Shape, dict[str, Stored]]:
    """Return a model directory's sizes and weights; raises `BadModel` where it cannot be given."""
    shape = shape_of(place)
    if shape.head % NARROWEST:
        raise BadModel(
            f"{place} has heads of the width {shape.head}, not a multiple of {NARROWEST}."
        )
    return shape, stored(place, shape)


def bytes_to_load(place: Path) -> int:
    """Return what a model directory's weights take when they are loaded; raises `BadModel`."""
    _, found = readable(place)
    return sum(math.prod(weight.shape) for weight in found.values()) * REAL_BYTES


def check_version() -> None:
    """Raise `Unavailable`, which says why, unless a known ONNX Runtime is installed."""
    try:
        version = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError as exc:
        raise Unavailable(f"{PACKAGE} is not installed: install pillion[onnx].") from exc
    if not version.startswith(SERIES):
        raise Unavailable(f"{PACKAGE} {version} is installed; install {PACKAGE}=={SERIES}*.")
