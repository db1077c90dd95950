"""The language model that settings and `pillion model use` choose, and what computes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from graph.learning import languages_of
from graph.settings import Settings
from tools.slm import engines
from tools.slm.engine import Engine
from tools.slm.errors import ModelError
from tools.slm.languages import Languages

PROVIDER = "its provider, to whom all that it is asked is sent"


class Chosen(NamedTuple):
    """A language model that can be loaded."""

    name: str
    by: str
    """What computes it."""
    load: Callable[[], Engine]
    """Checks every file and loads the model; raises `ModelError`."""
    why: str = ""
    """Why that computes it, in words."""


def chosen(settings: Settings) -> Chosen | None:
    """Return the language model in use, None without one; raises `ModelError`.

    Nothing is loaded or checked yet.
    """
    if settings.model:
        return Chosen(settings.model, PROVIDER, lambda: engines.load_chat(settings.model))
    store = languages_of(settings)
    used = store.used()
    if used is None:
        return None
    name, why = engines.choose(settings.engine, files_of(store, used))
    return Chosen(used, engines.TITLES[name], lambda: _load(settings, store, used), why)


def needed(settings: Settings) -> Chosen:
    """Return the language model in use; raises `ModelError`, which says how to get one."""
    found = chosen(settings)
    if found is None:
        raise ModelError("No language model is chosen: `pillion model fetch`, then `use`.")
    return found


def words(settings: Settings) -> str:
    """Return which language model is in use and what computes it, for people; `ModelError`."""
    found = chosen(settings)
    if found is None:
        return "none configured: rules and templates"
    return _words(found.name, found.by, found.why)


def memory_of(settings: Settings, name: str) -> int | None:
    """Return about how many bytes of memory a model takes; None where nothing can compute it."""
    try:
        files = files_of(languages_of(settings), name)
        return engines.needs(engines.choose(settings.engine, files).name, files)
    except (ModelError, OSError):
        return None


def examined(settings: Settings) -> str:
    """Return what `words` does, with files checked and the engine tried; raises `ModelError`."""
    if settings.model:
        engines.load_chat(settings.model).close()
        return words(settings)
    store = languages_of(settings)
    used = store.used()
    if used is None:
        return words(settings)
    store.checked(used)
    name, why = engines.tried(settings.engine, files_of(store, used))
    return _words(used, engines.TITLES[name], why)


def _words(name: str, by: str, why: str) -> str:
    return f"{name}, by {by}" + (f" ({why.removesuffix('.')})" if why else "")


def files_of(store: Languages, name: str) -> engines.Files:
    """Return where what engines read of a model lies; raises `ModelError`."""
    manifest = store.manifest(name)
    packed = store.packed_of(name) if manifest.packed is not None else None
    return engines.Files(Path(manifest.place), packed)


def _load(settings: Settings, store: Languages, name: str) -> Engine:
    store.checked(name)
    return engines.load(settings.engine, files_of(store, name))
