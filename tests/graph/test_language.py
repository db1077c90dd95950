"""Which language model is in use: what settings name, else what `pillion model use` chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.language import chosen, examined, needed, words
from graph.learning import languages_of
from graph.settings import Settings
from tests.models import make_gguf
from tools.slm import onnx_library
from tools.slm.conversion import convert
from tools.slm.engine import Prompt
from tools.slm.errors import BadModel, ModelError
from tools.slm.packing import pack

pytestmark = pytest.mark.xdist_group("mlx")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = Settings(home=tmp_path / "home")
    store = languages_of(home)
    convert(make_gguf(tmp_path / "tiny.gguf"), store.place_of("tiny"))
    store.add("tiny", store.place_of("tiny"), "by hand", pack)
    return home


def test_without_a_chosen_model_rules_and_templates_serve(settings: Settings) -> None:
    assert chosen(settings) is None
    assert words(settings) == examined(settings) == "none configured: rules and templates"
    with pytest.raises(ModelError, match="pillion model fetch"):
        needed(settings)


def test_the_chosen_model_is_checked_and_loaded(settings: Settings) -> None:
    languages_of(settings).use("tiny")
    found = needed(settings)
    assert words(settings) == examined(settings) == "tiny, by ONNX Runtime (the fastest here)"
    engine = found.load()
    assert len(engine.score(Prompt("the"), ("a", "b"), lambda: False)) == 2
    engine.close()
    packed = languages_of(settings).packed_of("tiny")
    packed.write_bytes(packed.read_bytes()[:-1] + b"x")
    for use in (found.load, lambda: examined(settings)):
        with pytest.raises(BadModel, match="is not what it was"):
            use()


def test_settings_choose_the_engine(settings: Settings) -> None:
    languages_of(settings).use("tiny")
    asked = settings.model_copy(update={"engine": "mlx"})
    assert needed(asked).by == "MLX"
    assert words(asked) == examined(asked) == "tiny, by MLX (as PILLION_ENGINE says)"


def test_an_engine_that_stands_in_says_for_what(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    languages_of(settings).use("tiny")
    monkeypatch.setattr(onnx_library, "SERIES", "9.")
    assert words(settings).startswith("tiny, by llama.cpp (onnxruntime 1.")


def test_a_model_that_llama_cpp_cannot_be_given_is_kept_for_the_others(
    settings: Settings, tmp_path: Path
) -> None:
    def refuse(place: Path, into: Path) -> None:
        raise BadModel("it uses a sliding window")

    store = languages_of(settings)
    kept = store.add("tiny", store.place_of("tiny"), "by hand", refuse)
    store.use("tiny")
    assert kept.packed is None and words(settings).startswith("tiny, by ONNX")
    assert not store.packed_of("tiny").exists()
    with pytest.raises(ModelError, match="convert or fetch it again"):
        needed(settings.model_copy(update={"engine": "llama"}))


def test_a_providers_model_goes_before_a_local_one(settings: Settings) -> None:
    languages_of(settings).use("tiny")
    other = settings.model_copy(update={"model": "mistralai:small"})
    assert words(other).startswith("mistralai:small, by its provider, to whom")
    with pytest.raises(ModelError, match="langchain-mistralai"):
        examined(other)
