"""Modules of ours in processes of their own."""

from __future__ import annotations

import sys


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module."""
    # -P: what lies in the working folder is no module of ours, whatever it is called.
    return [sys.executable, "-P", "-m", name, *arguments]
