"""What runs first: from its first moment on, a command that is stopped ends in a sentence."""

from __future__ import annotations

import os
import sys

from tools.lazy import lazy

STOPPED = 130
STOPPED_WORDS = "Stopped. Nothing is half done; the next command continues."
# Importing what the commands need takes a second, in which Ctrl-C may come.
commands = lazy("api.cli.main")


def main() -> None:
    """Run the command line."""
    try:
        _open_streams()
        commands.main()
    except KeyboardInterrupt:
        sys.stderr.write(f"{STOPPED_WORDS}\n")
        sys.exit(STOPPED)


def _open_streams() -> None:
    """Open what whoever started the command closed, as `>&-` does.

    The next file that is opened would get its number, and what is printed would end up in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(opened, mode, encoding="utf-8"))
