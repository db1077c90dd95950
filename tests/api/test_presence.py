"""Where a server listens, and that it is the one that said so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.presence import Serving, announced, find_serving

MARK = "serve"


@pytest.fixture
def server() -> Iterator[int]:
    """A process that looks like a server."""
    child = subprocess.Popen([sys.executable, "-c", "input()", MARK], stdin=subprocess.PIPE)
    with child:
        yield child.pid
        child.communicate(b"\n")


def test_a_server_is_found_while_it_lives(tmp_path: Path, server: int) -> None:
    serving = Serving(url="http://127.0.0.1:1", pid=server)
    with announced(tmp_path / "service.json", serving) as where:
        assert find_serving(where, {MARK}, "serve") == serving
        assert find_serving(where, {"another"}, "serve") is None
    assert find_serving(where, {MARK}, "serve") is None


def test_who_has_the_number_of_a_killed_server_is_not_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: int
) -> None:
    # As in a container, where the first process is 1 again after a kill.
    monkeypatch.setattr(os, "getpid", lambda: server)
    where = tmp_path / "service.json"
    where.write_text(Serving(url="http://127.0.0.1:1", pid=server).model_dump_json())
    assert find_serving(where, {MARK}, "serve") is None
