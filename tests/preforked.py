"""Product servers, measurements, judgements: forked from a process that has imported all already.

A launcher stands for the interpreter: it hands its arguments, environment and streams to the
process that forks, lives as long as the fork does and ends as it ends. Killing the launcher, or
its parent, kills the fork. Anything but the modules below is started as ever; only seconds of
importing are saved.
"""

from __future__ import annotations

import array
import gc
import importlib
import logging
import marshal
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

MODULES = {
    "mcp_servers.product": "mcp_servers.product.serving",
    "mcp_servers.product.setup": "mcp_servers.product.setup",
    "tools.product.shadow": "tools.product.shadow",
    "evals.opened": "evals.opened",
    "evals.oracle": "evals.oracle.__main__",
    "evals.oracle.writing": "evals.oracle.writing",
}
"""What `python -m` is asked for, and the module whose `main` that runs."""
AT_FIRST_USE = (
    "anyio._backends._asyncio", "numpy.ma", "numpy.random", "rich.logging",
    "sqlglot.dialects.duckdb",
)  # fmt: skip
"""What those import when they work."""
PYTHON = sys.executable
"""The interpreter itself, for what has to be a process of its own."""
# Only modules that are loaded at once: it starts dozens of times a minute.
LAUNCHER = """#!{python} -IS
import _socket, marshal, posix, sys
arguments = sys.argv[1:]
plain = arguments[1:] if arguments[:1] == ["-P"] else arguments
if plain[:1] != ["-m"] or plain[1] not in {modules}:
    posix.execv("{python}", ["{python}", *arguments])
parent = posix.getppid()
asked = marshal.dumps({{
    "arguments": plain[1:], "environment": posix.environ, "folder": posix.getcwd(),
    "parent": parent, "python": sys.argv[0],
}})
line = _socket.socket(_socket.AF_UNIX)
line.connect("{address}")
streams = b"".join(stream.to_bytes({int_size}, sys.byteorder) for stream in (0, 1, 2))
line.sendmsg([len(asked).to_bytes({length})], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
line.sendall(asked)
for stream in (0, 1, 2):
    posix.close(stream)
line.settimeout(0.5)
while True:
    try:
        ended = line.recv(16)
        break
    except TimeoutError:
        if posix.getppid() != parent:
            posix._exit(1)
posix._exit(int(ended or b"1"))
"""
LENGTH = 8
"""Bytes that say how long what is asked is."""


@contextmanager
def preforked(folder: Path, *more: str) -> Iterator[Path]:
    """Start the process that forks; yield the path that stands for the interpreter.

    `more` are modules with a `main` of their own that are forked, too.
    """
    address, launcher = folder / "line", folder / "python"
    launcher.write_text(
        LAUNCHER.format(
            python=sys.executable,
            modules=(*MODULES, *more),
            address=address,
            int_size=array.array("i").itemsize,
            length=LENGTH,
        ),
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    for name in ("pillion", "tpcgen-cli"):
        # Found beside the interpreter.
        (folder / name).symlink_to(Path(sys.executable).with_name(name))
    command = [sys.executable, "-m", "tests.preforked", str(address), *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        try:
            yield launcher
        finally:
            child.stdin.close()


def main() -> None:
    """Listen until standard input ends."""
    MODULES.update({name: name for name in sys.argv[2:]})
    for name in (*MODULES.values(), *AT_FIRST_USE):
        importlib.import_module(name)
    _make_tools()
    _hurry_beside(os.getppid())
    _judge_soon()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(sys.argv[1])
        door.listen(64)
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _become(line)
            line.close()


def _make_tools() -> None:
    """Make the tools' schemas, which every product's server shares with the first."""
    nobody = SimpleNamespace(descriptor=SimpleNamespace(name="none"))
    # The first server sets up logs where nobody did; each fork does so itself.
    logging.getLogger().addHandler(silent := logging.NullHandler())
    importlib.import_module("mcp_servers.product.server").build_server(nobody)
    logging.getLogger().removeHandler(silent)


def _hurry_beside(tests: int) -> None:
    """Let no measurement give way to the process of the tests, which works on much besides."""
    shadow = importlib.import_module("tools.product.shadow")
    known = shadow.product_clock
    shadow.product_clock = lambda pid: (lambda: 0.0) if pid == tests else known(pid)


def _judge_soon() -> None:
    """Let a judgement time less: where tests ask for one, much is gained or lost, or nothing."""
    timing = importlib.import_module("evals.oracle.timing")
    timing.SECONDS, timing.MOST_SECONDS = 0.3, 4.0


def _leave_with_parent() -> None:
    # Not through sys.stdin: a fork would inherit its lock, held by a thread it doesn't have.
    os.read(0, 1)
    os._exit(0)


def _become(line: socket.socket) -> None:
    """Run what the launcher was asked for, with its streams, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    streams = array.array("i")
    length, ancillary, _, _ = line.recvmsg(LENGTH, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    text = b""
    while len(text) < int.from_bytes(length):
        text += line.recv(1 << 16)
    asked = marshal.loads(text)
    for wanted, given in enumerate(streams):
        os.dup2(given, wanted)
        os.close(given)
    os.environb.clear()
    os.environb.update(asked["environment"])
    os.chdir(asked["folder"])
    # What it starts itself is forked, too; it ends with the launcher, which watches that parent.
    sys.executable = asked["python"]
    os.getppid = lambda: int(asked["parent"])
    threading.Thread(target=_die_with, args=(line,), daemon=True).start()
    _run(asked["arguments"], line)


def _die_with(line: socket.socket) -> None:
    if not line.recv(1):
        os.kill(os.getpid(), signal.SIGKILL)


def _run(arguments: list[str], line: socket.socket) -> NoReturn:
    sys.argv = arguments
    importlib.reload(importlib.import_module("tools.failpoints"))
    code = 1
    try:
        code = importlib.import_module(MODULES[arguments[0]]).main() or 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        if sys.exc_info()[0] is not None:
            # Before the launcher ends, which takes this process along.
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    main()
