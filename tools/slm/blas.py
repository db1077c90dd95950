"""A fast BLAS for MLX on Linux, loaded when this module is: it has to be there before MLX is.

The Linux wheel of MLX carries the reference BLAS, which is 25 to 100 times slower than OpenBLAS.
"""

from __future__ import annotations

import ctypes
import sys

NAMES = ("libopenblas.so.0", "libmkl_rt.so.3")


def load_blas() -> str | None:
    """Load a fast BLAS on Linux and return its name; None where none is installed or needed."""
    if not sys.platform.startswith("linux"):
        return None
    for name in NAMES:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return name
    return None


LOADED = load_blas()
