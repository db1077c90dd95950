"""Identifiers as DuckDB compares them."""

from __future__ import annotations

import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> str:
    """Return an identifier as DuckDB compares it: without case, in ASCII only."""
    return name.lower() if name.isascii() else name.translate(_LOWER)
