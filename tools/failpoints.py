"""Named points where a test may kill the process, as a crash would, between two writes."""

from __future__ import annotations

import os
import signal

_AT = os.environ.get("PILLION_CRASH_AT", "")
"""`name` or `name:n` (the n-th passage); set by the crash tests only."""
_ONCE = os.environ.get("PILLION_CRASH_ONCE", "")
"""A file made by the first process that crashes; the ones after it live."""
_passed = 0


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL when the environment names this point."""
    global _passed
    if not _AT:
        return
    wanted, _, count = _AT.partition(":")
    if wanted != name:
        return
    _passed += 1
    if _passed >= int(count or 1) and _first():
        os.kill(os.getpid(), signal.SIGKILL)


def _first() -> bool:
    if not _ONCE:
        return True
    try:
        os.close(os.open(_ONCE, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
