"""The process that `pillion serve` starts."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service import server
from api.service.server import CannotListen, serve_home
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.commands import document, invoke, refusal, started_by
from tests.ports import free_port


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with started_by((), home, "serve", "--port", free_port(), "--json") as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, child.stderr and child.stderr.read()
        yield child, json.loads(line)["url"]


def test_it_serves_until_told_to_stop_and_other_commands_are_sent_to_it(tmp_path: Path) -> None:
    with served(tmp_path) as (child, url):
        assert httpx.get(url + "/ready").json()["status"] == "ready"
        assert "No proposal 'p1'" in refusal(invoke(tmp_path, "undo", "p1"))
        assert document(tmp_path, "review") == []
        said = refusal(invoke(tmp_path, "serve", "--port", free_port()))
        assert url in said and f"PID {child.pid}" in said
        assert invoke(tmp_path, "status").exit_code == 0
        child.terminate()
        out, complaint = child.communicate(timeout=30)
    assert (child.returncode, out, complaint) == (0, "", "")
    assert not (tmp_path / "service.json").exists()
    assert invoke(tmp_path, "review").exit_code == 0


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "--port" in refusal(invoke(tmp_path, "serve", "--port", port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "10.1.2.3"])
def test_nobody_else_can_reach_it_while_no_key_is_asked_for(tmp_path: Path, host: str) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(CannotListen, match="can be reached from other machines"):
        serve_home(settings, ServiceSettings(), (host, 0), lambda url: None)


@pytest.mark.parametrize(
    ("more", "listens"),
    [
        ({}, False),
        ({"public_url": "http://pillion.example"}, False),
        ({"public_url": "https://pillion.example"}, True),
        ({"plain_http": True}, True),
    ],
)
def test_keys_do_not_cross_the_network_in_the_open_unless_it_is_said(
    tmp_path: Path, more: dict[str, Any], listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(tmp_path, "keys", "add", "ada", "--role", "admin")
    bound: list[str] = []

    def listen(host: str, port: int) -> socket.socket:
        bound.append(host)
        raise CannotListen("not in a test")

    monkeypatch.setattr(server, "_listen", listen)
    with pytest.raises(CannotListen, match="not in a test" if listens else "for all to read"):
        serve_home(Settings(home=tmp_path), ServiceSettings(**more), ("0.0.0.0", 0), print)
    assert bound == ["0.0.0.0"] * listens
