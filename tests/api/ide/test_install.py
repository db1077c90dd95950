"""Editors are told of the server, and lose nothing by it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from api.ide.clients import CLIENTS, ClientName, ConfigUnusable, entry_for, write

KEPT: dict[str, Any] = {
    "inputs": [{"id": "token", "password": True}],
    "mcpServers": {"other": {"command": "x", "args": ["ünï"]}},
    "servers": {"other": {"url": "https://example.com"}},
}


def install(client: ClientName, path: Path, name: str = "pillion") -> None:
    write(entry_for(client, name, path, path.parent / "home"))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_first_configuration_is_made_where_the_editor_looks(
    client: ClientName, tmp_path: Path
) -> None:
    path = tmp_path / CLIENTS[client].where
    install(client, path)
    (entry,) = json.loads(path.read_text())[CLIENTS[client].member].values()
    assert entry["args"] == ["mcp"] and Path(entry["command"]).name == "pillion"
    assert entry["env"] == {"PILLION_HOME": str(path.parent / "home")}


@pytest.mark.parametrize("client", CLIENTS)
def test_everything_else_stays(client: ClientName, tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps(KEPT))
    path.chmod(0o600)
    install(client, path, "mine")
    found = json.loads(path.read_text())
    assert found[CLIENTS[client].member].pop("mine")
    assert found == KEPT
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["mcp.json"]


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    install("cursor", path)
    assert not entry_for("cursor", "pillion", path, tmp_path / "home").changed
    assert entry_for("cursor", "pillion", path, tmp_path / "elsewhere").changed


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "mcp.json"
    real.write_text("{}")
    link.symlink_to(real)
    install("cursor", link)
    assert link.is_symlink() and "pillion" in real.read_text()


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {} // mine\n}',
        '{"mcpServers": {"a": 1}, "mcpServers": {}}',
        '{"mcpServers": []}',
        "[]",
        "{",
        "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_what_would_be_lost_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigUnusable, match=r"mcp\.json"):
        install("claude-code", path)
    assert path.read_text(encoding="utf-8") == text


def test_bytes_that_are_no_text_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigUnusable, match="cannot be read"):
        install("vscode", path)


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigUnusable, match="cannot be"):
        install("vscode", tmp_path / "file" / "mcp.json")


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps(KEPT))

    def full(self: Path, target: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ConfigUnusable, match="No space"):
        install("cursor", path)
    assert json.loads(path.read_text()) == KEPT
    assert [p.name for p in tmp_path.iterdir()] == ["mcp.json"]
