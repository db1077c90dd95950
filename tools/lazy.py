"""Modules imported at their first use: what only looks need not wait for what works."""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """Stands for a module; importing it at first use is the import system's, so threads may race.

    `importlib.util.LazyLoader` lets a second thread see half a module before Python 3.12.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(_imported(self.__name__), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_imported(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_imported(self.__name__), name)


def lazy(name: str) -> ModuleType:
    """Return a module whose code runs when it is first used; raises `ModuleNotFoundError`."""
    if name in sys.modules:
        return sys.modules[name]
    if importlib.util.find_spec(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _Lazy(name)


def _imported(name: str) -> ModuleType:
    if name in sys.modules:
        # Another thread may be at it, and the import system waits for that.
        return importlib.import_module(name)
    with _garbage_left():
        return importlib.import_module(name)


_importing = 0
"""How many threads import at this moment."""
_looked_for = True
"""Whether garbage was looked for when the first of them began."""
_counting = threading.Lock()


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Leave garbage where it is: all that is imported stays, and looking through it takes a sixth
    of the time."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(more: int) -> None:
    global _importing, _looked_for
    with _counting:
        if not _importing:
            _looked_for = gc.isenabled()
        _importing += more
        if _importing:
            gc.disable()
        elif _looked_for:
            gc.enable()
