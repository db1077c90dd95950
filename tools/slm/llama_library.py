"""llama.cpp's C interface, out of the library inside xllamacpp's wheel.

The wheel's own interface is llama.cpp's server, which listens on a port; this is the library below.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tools.slm.context_engine import Sizes
from tools.slm.errors import BadModel, ModelError, Unavailable

PACKAGE, VERSION = "xllamacpp", "2026.10.11549"
"""The only one whose structures are known."""
CONTEXT_DEFAULTS = {0: 512, 4: 2048, 8: 512, 12: 1, 28: 4, 32: 4}
"""Where sizes lie in `llama_context_params` and what they are at first: n_ctx, n_batch, n_ubatch,
n_seq_max, n_threads, n_threads_batch. Anything else is another llama.cpp."""
SEQUENCE = 0
ERROR = 4
"""`GGML_LOG_LEVEL_ERROR`."""


class _ByValue(ctypes.Structure):
    """Room for a structure of llama.cpp; larger than any of them, of which it reads the start."""

    _fields_ = (("bytes", ctypes.c_ubyte * 512),)

    def number(self, offset: int) -> int:
        return ctypes.c_int32.from_buffer(self, offset).value

    def put(self, offset: int, value: int) -> None:
        ctypes.c_int32.from_buffer(self, offset).value = value


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_POINTER, _I32, _SIZE = ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t
_TOKENS = ctypes.POINTER(_I32)
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (_LOG, _POINTER)),
    "llama_model_default_params": (_ByValue, ()),
    "llama_context_default_params": (_ByValue, ()),
    "llama_model_load_from_file": (_POINTER, (ctypes.c_char_p, _ByValue)),
    "llama_model_free": (None, (_POINTER,)),
    "llama_model_get_vocab": (_POINTER, (_POINTER,)),
    "llama_vocab_n_tokens": (_I32, (_POINTER,)),
    "llama_init_from_model": (_POINTER, (_POINTER, _ByValue)),
    "llama_free": (None, (_POINTER,)),
    "llama_get_memory": (_POINTER, (_POINTER,)),
    "llama_memory_seq_rm": (ctypes.c_bool, (_POINTER, _I32, _I32, _I32)),
    "llama_batch_get_one": (_ByValue, (_TOKENS, _I32)),
    "llama_decode": (_I32, (_POINTER, _ByValue)),
    "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), (_POINTER, _I32)),
    "llama_state_seq_get_size": (_SIZE, (_POINTER, _I32)),
    "llama_state_seq_get_data": (_SIZE, (_POINTER, _POINTER, _SIZE, _I32)),
    "llama_state_seq_set_data": (_SIZE, (_POINTER, _POINTER, _SIZE, _I32)),
}


class Library:
    """The loaded library; `said` is the last error it wrote."""

    def __init__(self, path: Path) -> None:
        self.said = ""
        try:
            self.c = ctypes.CDLL(str(path))
            for name, (result, arguments) in SIGNATURES.items():
                function = getattr(self.c, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as exc:
            raise Unavailable(f"llama.cpp cannot be loaded: {exc}.") from exc
        defaults = self.c.llama_context_default_params()
        if any(defaults.number(at) != value for at, value in CONTEXT_DEFAULTS.items()):
            raise Unavailable(f"{path} holds another llama.cpp than this version of Pillion knows.")
        # Kept, because llama.cpp calls it as long as the process lives.
        self._log = _LOG(self._note)
        self.c.llama_log_set(self._log, None)
        self.c.llama_backend_init()

    def _note(self, level: int, text: bytes, data: int | None) -> None:
        if level == ERROR:
            self.said = text.decode(errors="replace").strip()[:300]


def library_path() -> Path:
    """Return where the library lies, without loading it; raises `Unavailable`, which says why."""
    if not sys.platform.startswith("linux"):
        raise Unavailable(
            "llama.cpp is used on Linux only; on a Mac MLX has the graphics processor."
        )
    try:
        found = metadata.version(PACKAGE)
        spec = importlib.util.find_spec(PACKAGE)
    except (metadata.PackageNotFoundError, ImportError, ValueError) as exc:
        raise Unavailable(f"{PACKAGE} is not installed: install pillion[llama].") from exc
    if found != VERSION:
        raise Unavailable(f"{PACKAGE} {found} is installed; install {PACKAGE}=={VERSION}.")
    folders = spec.submodule_search_locations if spec is not None else None
    files = [p for f in folders or () for p in Path(f).glob(f"{PACKAGE}*.so")]
    if len(files) != 1:
        raise Unavailable(f"{PACKAGE} is not installed as a wheel with llama.cpp inside.")
    return files[0]


@cache
def library() -> Library:
    """Return llama.cpp, loaded once; raises `Unavailable`, which says why."""
    return Library(library_path())


class Context:
    """A model file that llama.cpp has loaded, with room for one sequence of tokens."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self._library = library()
        self._c = self._library.c
        self._library.said = ""
        self._model = self._c.llama_model_load_from_file(
            str(path).encode(), self._c.llama_model_default_params()
        )
        if not self._model:
            raise BadModel(f"{path} cannot be loaded: {self._library.said or 'no reason given'}.")
        wanted = self._c.llama_context_default_params()
        for at, value in zip(
            CONTEXT_DEFAULTS,
            (sizes.tokens, sizes.batch, sizes.batch, 1, sizes.threads, sizes.threads),
            strict=True,
        ):
            wanted.put(at, value)
        self._context = self._c.llama_init_from_model(self._model, wanted)
        if not self._context:
            self._c.llama_model_free(self._model)
            raise ModelError(f"There is not enough memory for {path}.")
        self._memory = self._c.llama_get_memory(self._context)
        self._tokens: int = self._c.llama_vocab_n_tokens(self._c.llama_model_get_vocab(self._model))

    def close(self) -> None:
        """Give the memory back."""
        self._c.llama_free(self._context)
        self._c.llama_model_free(self._model)

    def read(self, tokens: Sequence[int]) -> Any:
        """Read a batch of tokens and return the logits of the next, as float32."""
        array = (_I32 * len(tokens))(*tokens)
        if self._c.llama_decode(self._context, self._c.llama_batch_get_one(array, len(tokens))):
            raise ModelError(f"llama.cpp could not read on: {self._library.said}.")
        logits = self._c.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, (self._tokens,)).copy()

    def forget(self, position: int) -> None:
        """Forget what was read from a position on."""
        if not self._c.llama_memory_seq_rm(self._memory, SEQUENCE, position, -1):
            raise ModelError("llama.cpp cannot forget a part of what this model read.")

    def saved(self) -> bytes:
        """Return what is computed of all that was read."""
        size = self._c.llama_state_seq_get_size(self._context, SEQUENCE)
        buffer = ctypes.create_string_buffer(size)
        written = self._c.llama_state_seq_get_data(self._context, buffer, size, SEQUENCE)
        return buffer.raw[:written]

    def restore(self, saved: bytes) -> None:
        """Take back what was saved, in place of all that was read."""
        self.forget(0)
        if not self._c.llama_state_seq_set_data(self._context, saved, len(saved), SEQUENCE):
            raise ModelError(f"llama.cpp could not take up what it had read: {self._library.said}.")
