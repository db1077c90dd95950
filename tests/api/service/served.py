"""The service with the small graphs beside it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.service.server import serve_home
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS

ROOT = Path(__file__).parents[3]


@contextmanager
def running(home: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a home; yields the process and where it listens."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.api.service.served", str(home), str(port)],
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
            yield child, url
        finally:
            child.kill()


def main() -> None:
    """Serve until told to stop."""

    def say(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    settings = Settings(home=Path(sys.argv[1]), principal="ada")
    serve_home(settings, ServiceSettings(), ("127.0.0.1", int(sys.argv[2])), say, GRAPHS)


if __name__ == "__main__":
    main()
