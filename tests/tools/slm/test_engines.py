"""Which engine serves: the fastest that is there, or the one that is asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.slm import engines, llama_library, memory, onnx_library
from tools.slm.engines import Files, choose, lacking, load, slowness, tried
from tools.slm.errors import ModelError, Unavailable
from tools.slm.llama_library import CONTEXT_DEFAULTS, Library, library

FILES = Files(Path("/nowhere"), Path("/nowhere/packed.gguf"))


def hide(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    def find(name: str) -> object:
        return None if name in missing else object()

    monkeypatch.setattr(engines.importlib.util, "find_spec", find)


def another(*given: object, **also: object) -> Any:
    raise Unavailable("it is another one.")


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ONNX Runtime take a model whose files are not there."""
    monkeypatch.setattr(onnx_library, "readable", lambda place: None)


def test_the_fastest_that_can_serves_and_the_next_one_otherwise(
    readable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose("auto", FILES) == tried("auto", FILES) == ("onnx", "the fastest here")
    assert choose("mlx", FILES) == ("mlx", "as PILLION_ENGINE says")
    monkeypatch.setattr(onnx_library, "check_version", another)
    assert choose("auto", FILES) == ("llama", "it is another one.")
    monkeypatch.setattr(llama_library, "library", another)
    assert (choose("auto", FILES).name, tried("auto", FILES).name) == ("llama", "mlx")
    assert choose("auto", Files(FILES.place, None)).name == "mlx"
    monkeypatch.setattr(llama_library, "library_path", another)
    assert choose("auto", FILES) == ("mlx", "it is another one.")


def test_a_mac_computes_on_its_graphics_processor(
    readable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.sys, "platform", "darwin")
    assert choose("auto", FILES).name == "mlx"
    hide(monkeypatch, "mlx_lm")
    assert choose("auto", FILES).name == "onnx"


def test_an_engine_that_is_asked_for_and_cannot_serve_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModelError, match="convert or fetch it again"):
        choose("llama", Files(FILES.place, None))
    with pytest.raises(ModelError, match="config cannot be read"):
        choose("onnx", FILES)
    monkeypatch.setattr(llama_library, "library", another)
    with pytest.raises(ModelError, match="cannot be used here: it is another"):
        tried("llama", FILES)
    hide(monkeypatch, "mlx_lm", "onnxruntime", "tokenizers")
    with pytest.raises(ModelError, match=r"mlx_lm is not installed: install pillion\[model\]"):
        choose("mlx", FILES)
    assert lacking("llama", FILES) == "tokenizers is not installed: install pillion[llama]."
    assert lacking("onnx", FILES) == "onnxruntime is not installed: install pillion[onnx]."


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


@pytest.mark.parametrize("version", ["1.31.2", "1.33.0", "2.0"])
def test_onnx_runtime_is_used_only_where_it_is_known(
    version: str, readable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_library.metadata, "version", lambda name: version)
    assert f"{version} is installed; install onnxruntime==1.32" in str(lacking("onnx", FILES))


def test_a_library_with_other_structures_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    path, known = llama_library.library_path(), library()
    monkeypatch.setattr(llama_library, "CONTEXT_DEFAULTS", CONTEXT_DEFAULTS | {4: 4096})
    with pytest.raises(Unavailable, match="another llama"):
        Library(path)
    with pytest.raises(Unavailable, match="cannot be loaded"):
        Library(Path(__file__))
    assert library() is known


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, readable: None, tmp_path: Path) -> Path:
    """Return a directory that every engine takes; ONNX Runtime and llama.cpp fail to load it."""
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "packed.gguf").write_bytes(b"x")
    monkeypatch.setattr(onnx_library, "bytes_to_load", lambda place: 1)
    monkeypatch.setattr(engines, "context_engine", SimpleNamespace(ContextEngine=another))
    return tmp_path


def test_the_next_engine_stands_in_for_one_that_fails_unless_it_was_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr(engines, "mlx_engine", SimpleNamespace(MlxEngine=loaded.append))
    files = Files(place, place / "packed.gguf")
    load("auto", files)
    assert loaded == [place]
    for name in ("onnx", "llama"):
        with pytest.raises(Unavailable):
            load(name, files)


def test_an_engine_that_cannot_be_imported_is_told_in_words(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(place: Path) -> Any:
        raise ImportError("libmlx.so is missing")

    monkeypatch.setattr(engines, "mlx_engine", SimpleNamespace(MlxEngine=broken))
    with pytest.raises(ModelError, match=r"libmlx\.so is missing"):
        load("mlx", Files(place, None))


@pytest.mark.parametrize("name", ["onnx", "llama", "mlx"])
def test_a_model_that_does_not_fit_into_memory_is_not_loaded(
    name: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: engines.BESIDE)
    with pytest.raises(ModelError, match="not enough memory"):
        load(name, Files(place, place / "packed.gguf"))


def test_a_slow_blas_is_told_of_mlx_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "blas", SimpleNamespace(LOADED=None))
    assert "libopenblas0" in str(slowness("MLX")) and slowness("ONNX Runtime") is None
    monkeypatch.setattr(engines.sys, "platform", "darwin")
    assert slowness("MLX") is None
