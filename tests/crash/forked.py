"""The `pillion` command in a process forked from one that has imported everything already.

It runs, crashes and is killed as any process; only the seconds of importing are saved.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from api.cli.main import main
from tools import failpoints

_FORKS = multiprocessing.get_context("forkserver")
# Protocol and event loop import the rest when they work.
_FORKS.set_forkserver_preload(
    ["graph.runs", "jsonschema", "anyio._backends._asyncio", "tests.crash.forked"]
)


def run_forked(
    arguments: list[str], environment: Mapping[str, str], output: Path, seconds: float
) -> int:
    """Run the command with its output in `output`/out and /err; return its exit code."""
    # Stands for the interpreter, and forks product servers (`tests.preforked`).
    work = (arguments, dict(environment), output, sys.executable)
    child = _FORKS.Process(target=_command, args=work)
    child.start()
    child.join(seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise TimeoutError(f"pillion {' '.join(arguments)} took longer than {seconds:g} s")
    return child.exitcode


def _command(
    arguments: list[str], environment: Mapping[str, str], output: Path, python: str
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(output)
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(output / "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, str(output / "err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(name, flags), number)
    importlib.reload(failpoints)
    sys.executable = python
    sys.argv = ["pillion", *arguments]
    main()
