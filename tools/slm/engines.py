"""Which engine serves a model: the fastest that is installed and works on this machine."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tools.lazy import lazy
from tools.slm.engine import Engine
from tools.slm.errors import ModelError
from tools.slm.memory import require

if TYPE_CHECKING:
    from tools.slm import blas, chat_engine, llama_engine, llama_library, mlx_engine
else:
    # Each has a library of its own behind it.
    chat_engine = lazy("tools.slm.chat_engine")
    blas, llama_library = lazy("tools.slm.blas"), lazy("tools.slm.llama_library")
    llama_engine, mlx_engine = lazy("tools.slm.llama_engine"), lazy("tools.slm.mlx_engine")

EngineName = Literal["llama", "mlx"]
Wanted = Literal["auto", "llama", "mlx"]
NEEDED = {"llama": ("llguidance", "tokenizers"), "mlx": ("llguidance", "mlx_lm", "tokenizers")}
EXTRAS = {"llama": "llama", "mlx": "model"}
BESIDE = 150_000_000
"""Bytes that a model takes beside its weights: what it has read, and what it computes with."""
TITLES: Mapping[EngineName, str] = {"llama": "llama.cpp", "mlx": "MLX"}


class Files(NamedTuple):
    """A model on disk: its directory, and what llama.cpp reads of it, if that was made."""

    place: Path
    packed: Path | None


def choose(wanted: Wanted, files: Files) -> EngineName:
    """Return the engine that serves a model; raises `ModelError` when none can, saying why.

    Only looks whether all is there; nothing is loaded.
    """
    return _first(wanted, lambda name: lacking(name, files))


def tried(wanted: Wanted, files: Files) -> EngineName:
    """Return what `choose` does after loading the engine's library."""
    return _first(wanted, lambda name: lacking(name, files) or _failing(name))


def _first(wanted: Wanted, lacks: Callable[[EngineName], str | None]) -> EngineName:
    order: tuple[EngineName, ...] = ("llama", "mlx") if wanted == "auto" else (wanted,)
    lack = None
    for name in order:
        lack = lacks(name)
        if lack is None:
            return name
    raise ModelError(str(lack))


def lacking(name: EngineName, files: Files) -> str | None:
    """Return what keeps an engine from serving a model, in a sentence; None when nothing does."""
    missing = [n for n in NEEDED[name] if importlib.util.find_spec(n) is None]
    if missing:
        return f"{missing[0]} is not installed: install pillion[{EXTRAS[name]}]."
    if name == "mlx":
        return None
    try:
        llama_library.library_path()
    except ModelError as exc:
        return str(exc)
    if files.packed is None:
        return f"{files.place} was not made ready for llama.cpp; convert or fetch it again."
    return None


def _failing(name: EngineName) -> str | None:
    try:
        if name == "llama":
            llama_library.library()
        else:
            importlib.import_module("mlx.core")
    except (ModelError, ImportError) as exc:
        return f"{TITLES[name]} cannot be used here: {exc}"
    return None


def load(wanted: Wanted, files: Files) -> Engine:
    """Load a model; raises `ModelError`. Where the choice is free, MLX stands in for llama.cpp."""
    name = choose(wanted, files)
    if name == "llama" and files.packed is not None:
        require(files.packed.stat().st_size + BESIDE, str(files.place))
        try:
            return llama_engine.LlamaEngine(files.place, files.packed)
        except llama_library.Unavailable:
            if wanted != "auto" or lacking("mlx", files):
                raise
    weights = sum(p.stat().st_size for p in files.place.glob("*.safetensors"))
    # On Linux it computes in single precision.
    require(weights * (2 if sys.platform.startswith("linux") else 1) + BESIDE, str(files.place))
    try:
        return mlx_engine.MlxEngine(files.place)
    except ImportError as exc:
        raise ModelError(f"MLX cannot be used here: {exc}.") from exc


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
