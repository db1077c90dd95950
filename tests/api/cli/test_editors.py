"""`pillion mcp install` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import document, invoke, refusal


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_configuration_is_written_once(tmp_path: Path) -> None:
    first = invoke(tmp_path / "home", "mcp", "install", "claude-code")
    assert first.exit_code == 0 and ".mcp.json" in first.stdout
    assert "pillion" in json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]
    again = invoke(tmp_path / "home", "mcp", "install", "claude-code")
    assert "already" in again.stdout


def test_print_writes_nothing(tmp_path: Path) -> None:
    shown = invoke(tmp_path / "home", "mcp", "install", "vscode", "--print", "--name", "mine")
    assert shown.exit_code == 0, shown.stderr
    assert list(json.loads(shown.stdout)["servers"]) == ["mine"]
    assert list(tmp_path.iterdir()) == []


def test_a_program_is_told_what_was_written_and_where(tmp_path: Path) -> None:
    call = (tmp_path / "home", "mcp", "install", "cursor")
    shown, made, again = (document(*call, *more) for more in (("--print",), (), ()))
    where = tmp_path / ".cursor" / "mcp.json"
    assert [d["written"] for d in (shown, made, again)] == [False, True, False]
    assert {d["file"] for d in (shown, made, again)} == {str(where)}
    assert json.loads(where.read_text()) == shown["configuration"] == made["configuration"]


def test_another_file_can_be_named(tmp_path: Path) -> None:
    where = tmp_path / "mine.json"
    assert invoke(tmp_path, "mcp", "install", "cursor", "--file", where).exit_code == 0
    assert "pillion" in where.read_text()


def test_what_does_not_fit_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text("{ // mine\n}")
    assert "--print" in refusal(invoke(tmp_path / "home", "mcp", "install", "claude-code"))
    assert "vscode" in refusal(invoke(tmp_path / "home", "mcp", "install", "emacs"), 2)
    assert "bogus" in refusal(invoke(tmp_path / "home", "mcp", "bogus"), 2)
