"""Which engine serves: the fastest that is there, or the one that is asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.slm import engines, llama_library, memory
from tools.slm.engines import Files, choose, lacking, load, slowness, tried
from tools.slm.errors import ModelError
from tools.slm.llama_library import CONTEXT_DEFAULTS, Library, Unavailable, library

FILES = Files(Path("/nowhere"), Path("/nowhere/packed.gguf"))


def hide(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    def find(name: str) -> object:
        return None if name in missing else object()

    monkeypatch.setattr(engines.importlib.util, "find_spec", find)


def no_llama(*given: object) -> Any:
    raise Unavailable("it is another llama.cpp")


def test_llama_cpp_serves_where_it_can_and_mlx_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("auto", FILES) == "llama" == tried("auto", FILES)
    assert choose("mlx", FILES) == "mlx"
    assert choose("auto", Files(FILES.place, None)) == "mlx"
    monkeypatch.setattr(llama_library, "library", no_llama)
    assert (choose("auto", FILES), tried("auto", FILES)) == ("llama", "mlx")
    monkeypatch.setattr(llama_library, "library_path", no_llama)
    assert choose("auto", FILES) == "mlx"


def test_an_engine_that_is_asked_for_and_cannot_serve_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModelError, match="convert or fetch it again"):
        choose("llama", Files(FILES.place, None))
    monkeypatch.setattr(llama_library, "library", no_llama)
    with pytest.raises(ModelError, match="cannot be used here: it is another"):
        tried("llama", FILES)
    hide(monkeypatch, "mlx_lm", "tokenizers")
    with pytest.raises(ModelError, match=r"mlx_lm is not installed: install pillion\[model\]"):
        choose("mlx", FILES)
    assert lacking("llama", FILES) == "tokenizers is not installed: install pillion[llama]."


@pytest.mark.parametrize(
    ("platform", "version", "said"),
    [
        ("darwin", llama_library.VERSION, "Linux only"),
        ("linux", "2026.9.11063", "install xllamacpp==2026"),
    ],
)
def test_llama_cpp_is_used_only_where_it_is_known(
    platform: str, version: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_library.sys, "platform", platform)
    monkeypatch.setattr(llama_library.metadata, "version", lambda name: version)
    assert said in str(lacking("llama", FILES))


def test_a_library_with_other_structures_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    path = llama_library.library_path()
    monkeypatch.setattr(llama_library, "CONTEXT_DEFAULTS", CONTEXT_DEFAULTS | {4: 4096})
    with pytest.raises(Unavailable, match="another llama"):
        Library(path)
    with pytest.raises(Unavailable, match="cannot be loaded"):
        Library(Path(__file__))
    assert library() is library()


def test_mlx_stands_in_for_a_llama_cpp_that_fails_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packed = tmp_path / "packed.gguf"
    packed.touch()
    loaded: list[Path] = []
    monkeypatch.setattr(engines, "llama_engine", SimpleNamespace(LlamaEngine=no_llama))
    monkeypatch.setattr(engines, "mlx_engine", SimpleNamespace(MlxEngine=loaded.append))
    load("auto", Files(tmp_path, packed))
    assert loaded == [tmp_path]
    with pytest.raises(Unavailable):
        load("llama", Files(tmp_path, packed))


def test_an_engine_that_cannot_be_imported_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(place: Path) -> Any:
        raise ImportError("libmlx.so is missing")

    monkeypatch.setattr(engines, "mlx_engine", SimpleNamespace(MlxEngine=broken))
    with pytest.raises(ModelError, match=r"libmlx\.so is missing"):
        load("mlx", Files(tmp_path, None))


@pytest.mark.parametrize("name", ["llama", "mlx"])
def test_a_model_that_does_not_fit_into_memory_is_not_loaded(
    name: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packed = tmp_path / "packed.gguf"
    packed.write_bytes(b"x")
    monkeypatch.setattr(memory, "free_bytes", lambda: engines.BESIDE)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="not enough memory"):
        load(name, Files(tmp_path, packed))


def test_a_slow_blas_is_told_of_mlx_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "blas", SimpleNamespace(LOADED=None))
    assert "libopenblas0" in str(slowness("MLX")) and slowness("llama.cpp") is None
    monkeypatch.setattr(engines.sys, "platform", "darwin")
    assert slowness("MLX") is None
