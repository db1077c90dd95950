"""The end of a process whose work is done, or whom nobody waits for any more."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

import psutil


def leave(code: int) -> NoReturn:
    """End this process once its threads have ended and what is due at its end is done.

    To take apart all that was imported takes a third of a second more, for which somebody waits.
    """
    atexit.register(_end, code)
    raise SystemExit(code)


def end_with(pid: int) -> None:
    """End this process at once when the other is gone, as if both had been killed."""

    def watch() -> None:
        psutil.wait_procs([other])
        os._exit(0)

    try:
        other = psutil.Process(pid)
    except psutil.NoSuchProcess:
        os._exit(0)
    threading.Thread(target=watch, daemon=True).start()


def _end(code: int) -> None:
    """Run all else that is due: what is registered last comes first, after the threads."""
    atexit.unregister(_end)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
