"""What is left of memory is the least that machine, container and process leave."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tools.slm import memory
from tools.slm.errors import ModelError
from tools.slm.memory import (
    BESIDE,
    free_bytes,
    give_back,
    mlx_bytes,
    require,
    tuning_bytes,
)


def container(folder: Path, most: str) -> Path:
    (folder / "memory.max").write_text(most + "\n")
    (folder / "memory.current").write_text("900\n")
    (folder / "memory.stat").write_text("anon 600\ninactive_file 200\n")
    return folder


def test_a_container_leaves_what_it_has_with_its_file_cache(tmp_path: Path) -> None:
    assert free_bytes(container(tmp_path, "1000")) == 300


def test_without_a_limit_the_machine_counts(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", container(tmp_path, "max")):
        assert 0 < free_bytes(folder) <= psutil.virtual_memory().total


def test_a_limit_of_the_process_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = psutil.Process().memory_info().vms + 10_000_000
    monkeypatch.setattr(memory.resource, "getrlimit", lambda what: (most, most))
    assert free_bytes(tmp_path) <= 10_000_000


def test_too_little_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 5_000_000)
    require(4_000_000, "it")
    with pytest.raises(ModelError, match="it needs about 6 MB, and 5 MB are left"):
        require(6_000_000, "it")


@pytest.mark.parametrize("trims", [True, False])
def test_what_was_freed_is_given_back_where_the_system_can(
    trims: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    library = SimpleNamespace(malloc_trim=asked.append) if trims else SimpleNamespace()
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: library)
    give_back()
    assert asked == [0] * trims


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A model with 1,000 bytes of weights."""
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "config.json").write_text('{"hidden_size": 16}')
    return tmp_path


def test_an_adapter_takes_more_than_its_model(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapters.safetensors").write_bytes(bytes(70))
    monkeypatch.setattr(memory.sys, "platform", "linux")
    assert mlx_bytes(place) == BESIDE + 2000
    assert mlx_bytes(place, adapter) == BESIDE + 2000 + 5 * 70
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert mlx_bytes(place) == BESIDE + 1000


@pytest.mark.parametrize(("told", "width"), [('{"hidden_size": 16}', 16), ("{", 1024)])
def test_tuning_takes_what_is_kept_of_each_prompt(place: Path, told: str, width: int) -> None:
    (place / "config.json").write_text(told)
    assert tuning_bytes(place, 20) - tuning_bytes(place, 10) == 2 * 10 * 128 * width * 4
