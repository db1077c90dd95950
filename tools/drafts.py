"""Drafts: what is going to take a file's place in one step, so that nobody sees half of it."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path

SUFFIX = ".pillion-draft"
LEFT_SECONDS = 600.0
"""A draft lives for moments; one that old was left by a process that was killed."""


def draft_beside(path: Path) -> Path:
    """Return where to write what then takes a file's place; drafts left in its folder go."""
    sweep(path.parent)
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{SUFFIX}")


def sweep(folder: Path) -> None:
    """Delete what killed writers left in a folder."""
    for left in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()
