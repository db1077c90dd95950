"""The `pillion` command in a process forked from one that has imported everything already.

It runs, crashes and is killed as any process; only the seconds of importing are saved.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TextIO

from api.cli.main import main
from tools import failpoints

_FORKS = multiprocessing.get_context("forkserver")
# Protocol and event loop import the rest when they work.
_FORKS.set_forkserver_preload(
    [
        "api.service.server", "graph.runs", "jsonschema", "anyio._backends._asyncio",
        "tests.forked",
    ]
)  # fmt: skip


class Forked:
    """A command that runs, in a session of its own; what `subprocess.Popen` offers of it.

    `python` is the interpreter its own processes are started with.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], python: str
    ) -> None:
        (out, told), (err, complained) = Pipe(duplex=False), Pipe(duplex=False)
        work = (list(arguments), dict(environment), (told, complained), python)
        self._process = _FORKS.Process(target=_talking, args=work)
        self._process.start()
        self.stdout, self.stderr = _text_of(out), _text_of(err)
        for end in (told, complained):
            end.close()

    @property
    def pid(self) -> int:
        """The command's process, which leads its group."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with, below zero by which signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return what it ended with."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("pillion", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return all that is printed until the end."""
        with ThreadPoolExecutor(2) as reading:
            texts = [reading.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except TimeoutExpired:
                self.kill()
                raise
            out, err = (text.result() for text in texts)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send the command a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Be done with it, and end it when it runs."""
        self.kill()
        self._process.join()
        for stream in (self.stdout, self.stderr):
            stream.close()


def _text_of(end: Connection) -> TextIO:
    with end:
        return os.fdopen(os.dup(end.fileno()), encoding="utf-8")


def _talking(
    arguments: list[str],
    environment: Mapping[str, str],
    streams: tuple[Connection, Connection],
    python: str,
) -> None:
    os.setsid()
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream.fileno(), number)
        stream.close()
    # What the server has may be files, which are written otherwise.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    try:
        _command(arguments, environment, python)
    finally:
        sys.stdout.flush()
        atexit._run_exitfuncs()


def run_forked(
    arguments: list[str], environment: Mapping[str, str], output: Path, seconds: float
) -> int:
    """Run the command with its output in `output`/out and /err; return its exit code."""
    # Stands for the interpreter, and forks product servers (`tests.preforked`).
    work = (arguments, dict(environment), output, sys.executable)
    child = _FORKS.Process(target=_writing, args=work)
    child.start()
    child.join(seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise TimeoutError(f"pillion {' '.join(arguments)} took longer than {seconds:g} s")
    return child.exitcode


def _writing(
    arguments: list[str], environment: Mapping[str, str], output: Path, python: str
) -> None:
    os.chdir(output)
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(output / "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, str(output / "err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(name, flags), number)
    _command(arguments, environment, python)


def _command(arguments: list[str], environment: Mapping[str, str], python: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(failpoints)
    sys.executable = python
    sys.argv = ["pillion", *arguments]
    main()
