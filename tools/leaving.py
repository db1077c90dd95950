"""The end of a process whose work is done."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process once its threads have ended and what is due at its end is done.

    To take apart all that was imported takes a third of a second more, for which somebody waits.
    """
    atexit.register(_end, code)
    raise SystemExit(code)


def _end(code: int) -> None:
    """Run all else that is due: what is registered last comes first, after the threads."""
    atexit.unregister(_end)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
