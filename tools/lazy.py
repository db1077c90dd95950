"""Modules imported at their first use: what only looks need not wait for what works."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """Stands for a module; importing it at first use is the import system's, so threads may race.

    `importlib.util.LazyLoader` lets a second thread see half a module before Python 3.12.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(importlib.import_module(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(importlib.import_module(self.__name__), name)


def lazy(name: str) -> ModuleType:
    """Return a module whose code runs when it is first used; raises `ModuleNotFoundError`."""
    if name in sys.modules:
        return sys.modules[name]
    if importlib.util.find_spec(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _Lazy(name)
