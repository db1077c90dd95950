"""Language models on disk: nothing that runs gets in, nothing that changed is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import Languages


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "llama"}')
    (place / "tokenizer.json").write_text("{}")
    save_file({"a": np.ones((2, 3), np.float32)}, str(place / "model.safetensors"))
    return place


@pytest.fixture
def models(tmp_path: Path) -> Languages:
    return Languages(tmp_path / "home")


def test_a_directory_is_kept_where_it_lies_with_the_hash_of_every_file(
    models: Languages, directory: Path
) -> None:
    kept = models.add("small", directory, "by hand")
    assert models.checked("small") == directory and len(kept.files) == 3
    assert models.used() is None
    models.use("small")
    assert models.used() == "small"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: (d / "pytorch_model.bin").write_bytes(b"\x80\x04."), "never pickles or code"),
        (lambda d: (d / "modeling.py").write_text("import os"), "never pickles or code"),
        (lambda d: (d / "more").mkdir(), "does not belong"),
        (lambda d: (d / "config.json").write_text('{"model_file": "m.py"}'), "code to run"),
        (lambda d: (d / "config.json").write_text('{"auto_map": {}}'), "code to run"),
        (lambda d: (d / "config.json").write_text('{"model_type"'), "no JSON"),
        (lambda d: (d / "config.json").write_text("[" * 100_000), "no JSON"),
        (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda d: (d / "model.safetensors").unlink(), "safetensors is missing"),
        (lambda d: (d / "model.safetensors").write_bytes(b""), "cut off"),
        (lambda d: (d / "model.safetensors").write_bytes(b"\xff" * 64), "cut off"),
        (lambda d: (d / "model.safetensors").write_bytes(b"\x02" + b"\0" * 7 + b"[]"), "header"),
        (lambda d: shorten(d / "model.safetensors"), "cut off"),
    ],
)
def test_what_could_run_or_is_not_whole_does_not_get_in(
    damage: Callable[[Path], object], said: str, models: Languages, directory: Path
) -> None:
    damage(directory)
    with pytest.raises(BadModel, match=said):
        models.add("small", directory, "by hand")
    assert models.all() == []


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: shorten(d / "model.safetensors"), "not what it was"),
        (lambda d: (d / "config.json").write_text('{"model_type": "mamba"}'), "not what it was"),
        (lambda d: (d / "tokenizer.json").unlink(), "is missing"),
        (lambda d: (d / "model.py").write_text("import os"), "was not there before"),
    ],
)
def test_a_model_that_changed_is_not_used(
    damage: Callable[[Path], object], said: str, models: Languages, directory: Path
) -> None:
    models.add("small", directory, "by hand")
    damage(directory)
    with pytest.raises(BadModel, match=said):
        models.use("small")


def test_swapped_weights_of_the_same_size_are_found(models: Languages, directory: Path) -> None:
    models.add("small", directory, "by hand")
    save_file({"a": np.zeros((2, 3), np.float32)}, str(directory / "model.safetensors"))
    with pytest.raises(BadModel, match="not what it was"):
        models.checked("small")


def test_a_packing_that_was_killed_is_done_anew(models: Languages, directory: Path) -> None:
    models.add("small", directory, "by hand", lambda place, into: into.write_bytes(b"whole"))

    def killed(place: Path, into: Path) -> None:
        into.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.add("small", directory, "by hand", killed)
    with pytest.raises(BadModel, match="convert or fetch small again"):
        models.checked("small")
    models.add("small", directory, "by hand", lambda place, into: into.write_bytes(b"whole"))
    assert models.checked("small") == directory


@pytest.mark.parametrize("name", ["", "../up", "A", "j0123456789ab", "x" * 65, "a/b"])
def test_a_name_that_cannot_be_a_folder_or_is_a_judges_is_refused(
    name: str, models: Languages, directory: Path
) -> None:
    with pytest.raises(ModelError, match="cannot name a model"):
        models.add(name, directory, "by hand")


def test_an_unknown_model_is_answered_with_the_known_ones(
    models: Languages, directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="pillion model fetch"):
        models.use("large")
    models.add("small", directory, "by hand")
    with pytest.raises(ModelError, match="Known models: small"):
        models.use("large")
    (tmp_path / "home" / "small" / "manifest.json").write_text(json.dumps({"name": 1}))
    with pytest.raises(BadModel, match="cannot be read"):
        models.use("small")
