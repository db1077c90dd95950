"""ONNX Runtime: a model directory in single precision, with what was read kept in its place."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tools.slm.context_engine import Sizes
from tools.slm.errors import ModelError, Unavailable
from tools.slm.memory import give_back
from tools.slm.onnx_graph import graph_of
from tools.slm.onnx_library import readable

QUIET = 4
"""The log level at which only what ends the process is said; the rest is raised."""


class Context:
    """A session with room for one sequence of tokens."""

    def __init__(self, place: Path, sizes: Sizes) -> None:
        shape, found = readable(place)
        # Behind links, as in a download cache; ONNX Runtime reads nothing outside the folder.
        folder = Path(os.path.commonpath([weight.file.parent for weight in found.values()]))
        graph = graph_of(shape, found, folder, sizes.tokens)
        self._session = _session(folder, graph, sizes.threads)
        # Of the weights as they were before they were laid out for the processor.
        give_back()
        self._read = _lazy_zeros((2 * shape.layers, 1, shape.heads_kv, sizes.tokens, shape.head))
        self._at = 0
        self._last, self._total = np.zeros(1, np.int32), np.zeros((), np.int32)
        self._logits = np.zeros((1, 1, shape.tokens), np.float32)
        self._bound = self._bind()

    def _bind(self) -> Any:
        bound = self._session.io_binding()
        for number, array in enumerate(self._read):
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            bound.bind_ortvalue_input(f"past.{number}", value)
            bound.bind_ortvalue_output(f"present.{number}", value)
        for name, given in (("last", self._last), ("total", self._total)):
            bound.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(given))
        bound.bind_ortvalue_output("logits", onnxruntime.OrtValue.ortvalue_from_numpy(self._logits))
        return bound

    def close(self) -> None:
        """Give the memory back."""
        del self._bound, self._session, self._read
        give_back()

    def read(self, tokens: Sequence[int]) -> Any:
        """Read a batch of tokens and return the logits of the next, as float32."""
        total = self._at + len(tokens)
        self._last[0], self._total[()] = total - 1, total
        self._bound.bind_cpu_input("tokens", np.array([tokens], np.int64))
        try:
            self._session.run_with_iobinding(self._bound)
        except Exception as exc:
            raise ModelError(f"ONNX Runtime could not read on: {exc}") from exc
        self._at = total
        return self._logits[0, 0].copy()

    def forget(self, position: int) -> None:
        """Forget what was read from a position on."""
        self._at = position

    def saved(self) -> Any:
        """Return what is computed of all that was read."""
        return self._read[..., : self._at, :].copy()

    def restore(self, saved: Any) -> None:
        """Take back what was saved, in place of all that was read."""
        self._at = saved.shape[-2]
        self._read[..., : self._at, :] = saved


def _lazy_zeros(shape: tuple[int, ...]) -> Any:
    """Return zeros that take memory as they are written to.

    NumPy's own would take it in pages of 2 MB, and so all of it for the first tokens.
    """
    memory = mmap.mmap(-1, math.prod(shape) * np.dtype(np.float32).itemsize)
    return np.frombuffer(memory, np.float32).reshape(shape)


def _session(folder: Path, graph: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = QUIET
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder)
    )
    # Threads that spin on after an answer would take a core from the product.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise Unavailable(f"ONNX Runtime cannot compute what lies in {folder}: {exc}") from exc
