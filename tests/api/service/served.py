"""The service with the small graphs beside it, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from api.service.server import serve_home
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.ide.fixtures import add_fixtures
from tests.api.service.graphs import GRAPHS

ROOT = Path(__file__).parents[3]


class Child(NamedTuple):
    """A served process, which may be a fork of another one."""

    launcher: subprocess.Popen[str]
    home: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the service a signal and return what it ended with."""
        pid = json.loads((self.home / "service.json").read_bytes())["pid"]
        os.kill(pid, number)
        return self.launcher.wait(60)


@contextmanager
def running(python: Path, home: Path, port: int = 0, *profiles: str) -> Iterator[tuple[Child, str]]:
    """Serve a home, with `fixtures` for conformance scenarios; yields process and address."""
    with subprocess.Popen(
        [python, "-m", "tests.api.service.served", str(home), str(port), *profiles],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            assert url, child.stderr and child.stderr.read()
            yield Child(child, home), url
        finally:
            child.kill()


def main() -> None:
    """Serve until told to stop."""

    def say(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    settings = Settings(home=Path(sys.argv[1]), principal="ada")
    address = ("127.0.0.1", int(sys.argv[2]))
    fixtures = add_fixtures if "fixtures" in sys.argv else None
    serve_home(settings, ServiceSettings(), address, say, GRAPHS, fixtures)


if __name__ == "__main__":
    main()
