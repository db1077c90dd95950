"""Which engine serves a model: the fastest that is installed and works on this machine."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tools.lazy import lazy
from tools.slm.engine import Engine
from tools.slm.errors import ModelError, Unavailable
from tools.slm.memory import BESIDE, llama_bytes, mlx_bytes, require

if TYPE_CHECKING:
    from tools.slm import (
        blas,
        chat_engine,
        context_engine,
        llama_library,
        mlx_engine,
        onnx_context,
        onnx_library,
    )
else:
    # Each has a library of its own behind it.
    chat_engine, context_engine = lazy("tools.slm.chat_engine"), lazy("tools.slm.context_engine")
    blas, llama_library = lazy("tools.slm.blas"), lazy("tools.slm.llama_library")
    mlx_engine, onnx_library = lazy("tools.slm.mlx_engine"), lazy("tools.slm.onnx_library")
    onnx_context = lazy("tools.slm.onnx_context")

EngineName = Literal["onnx", "llama", "mlx"]
Wanted = Literal["auto", "onnx", "llama", "mlx"]
NEEDED: Mapping[EngineName, tuple[str, ...]] = {
    "onnx": ("llguidance", "onnx", "onnxruntime", "tokenizers"),
    "llama": ("llguidance", "tokenizers"),
    "mlx": ("llguidance", "mlx_lm", "tokenizers"),
}
EXTRAS: Mapping[EngineName, str] = {"onnx": "onnx", "llama": "llama", "mlx": "model"}
TITLES: Mapping[EngineName, str] = {"onnx": "ONNX Runtime", "llama": "llama.cpp", "mlx": "MLX"}
LINUX: tuple[EngineName, ...] = ("onnx", "llama", "mlx")
ELSEWHERE: tuple[EngineName, ...] = ("mlx", "onnx")
"""In the order in which they are taken. A Mac has a graphics processor, which MLX computes on."""


class Files(NamedTuple):
    """A model on disk: its directory, and what llama.cpp reads of it, if that was made."""

    place: Path
    packed: Path | None


class Choice(NamedTuple):
    """The engine that serves a model, and why it is that one, in words."""

    name: EngineName
    why: str


def choose(wanted: Wanted, files: Files) -> Choice:
    """Return the engine that serves a model; raises `ModelError` when none can, saying why.

    Only looks whether all is there; nothing is loaded.
    """
    return _first(wanted, lambda name: lacking(name, files))


def tried(wanted: Wanted, files: Files) -> Choice:
    """Return what `choose` does after loading the engine's library."""
    return _first(wanted, lambda name: lacking(name, files) or _failing(name))


def _first(wanted: Wanted, lacks: Callable[[EngineName], str | None]) -> Choice:
    order = order_of(wanted)
    first = None
    for name in order:
        lack = lacks(name)
        if lack is None:
            return Choice(name, first or _preferred(wanted))
        first = first or lack
    raise ModelError(str(first))


def _preferred(wanted: Wanted) -> str:
    return "the fastest here" if wanted == "auto" else "as PILLION_ENGINE says"


def order_of(wanted: Wanted) -> tuple[EngineName, ...]:
    """Return the engines that may serve on this machine, the first one before the others."""
    if wanted != "auto":
        return (wanted,)
    return LINUX if sys.platform.startswith("linux") else ELSEWHERE


def lacking(name: EngineName, files: Files) -> str | None:
    """Return what keeps an engine from serving a model, in a sentence; None when nothing does."""
    missing = [n for n in NEEDED[name] if importlib.util.find_spec(n) is None]
    if missing:
        return f"{missing[0]} is not installed: install pillion[{EXTRAS[name]}]."
    try:
        if name == "onnx":
            onnx_library.check_version()
            onnx_library.readable(files.place)
        if name == "llama":
            llama_library.library_path()
    except ModelError as exc:
        return str(exc)
    if name == "llama" and files.packed is None:
        return f"{files.place} was not made ready for llama.cpp; convert or fetch it again."
    return None


def _failing(name: EngineName) -> str | None:
    modules: Mapping[EngineName, str] = {"onnx": "onnxruntime", "mlx": "mlx.core"}
    try:
        if name == "llama":
            llama_library.library()
        else:
            importlib.import_module(modules[name])
    except (ModelError, ImportError) as exc:
        return f"{TITLES[name]} cannot be used here: {exc}"
    return None


def needs(name: EngineName, files: Files) -> int:
    """Return about how many bytes of memory an engine takes with a model."""
    if name == "onnx":
        return onnx_library.bytes_to_load(files.place) + BESIDE
    if name == "llama" and files.packed is not None:
        return llama_bytes(files.packed)
    return mlx_bytes(files.place)


def load(wanted: Wanted, files: Files) -> Engine:
    """Load a model; raises `ModelError`. Where the choice is free, the next stands in for one."""
    choose(wanted, files)
    able = [name for name in order_of(wanted) if lacking(name, files) is None]
    for name in able[:-1]:
        with suppress(Unavailable):
            return _loaded(name, files)
    return _loaded(able[-1], files)


def _loaded(name: EngineName, files: Files) -> Engine:
    place = files.place
    require(needs(name, files), str(place))
    try:
        if name == "onnx":
            return context_engine.ContextEngine(place, partial(onnx_context.Context, place))
        if name == "llama" and files.packed is not None:
            packed = partial(llama_library.Context, files.packed)
            return context_engine.ContextEngine(place, packed)
        return mlx_engine.MlxEngine(place)
    except ImportError as exc:
        raise Unavailable(f"{TITLES[name]} cannot be used here: {exc}.") from exc


def load_chat(name: str) -> Engine:
    """Return a provider's model (`provider:model`), nothing sent yet; raises `ModelError`."""
    if importlib.util.find_spec("langchain") is None:
        raise ModelError("langchain is not installed: install pillion[chat] and the provider's.")
    return chat_engine.ChatEngine(name)


def slowness(title: str) -> str | None:
    """Return why an engine, by its title, is much slower here than it could be, or None."""
    if title == TITLES["mlx"] and sys.platform.startswith("linux") and blas.LOADED is None:
        return "No fast BLAS is installed (libopenblas0), so this is many times slower."
    return None
