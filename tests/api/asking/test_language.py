"""The model behind a second opinion: only where it is wanted, the one that is in use now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.asking.language import Language
from graph import language
from graph.learning import languages_of
from graph.settings import Settings
from tools.asking.model import BLANK
from tools.asking.request import read_request
from tools.slm import engines
from tools.slm.engine import Prompt, Stopped
from tools.slm.errors import ModelError
from tools.slm.languages import Languages, Manifest

REQUEST = read_request("was it any good?")


class Engine:
    """A model that finds everything as likely, and notes what it was asked."""

    asked: list[tuple[str, str]] = []

    def __init__(self, place: Path) -> None:
        self._name = place.name

    def score(self, prompt: Prompt, choices: Sequence[str], stop: object) -> Mapping[str, float]:
        self.asked.append((self._name, prompt.data))
        return dict.fromkeys(choices, 1 / len(choices))

    def complete(
        self, prompt: Prompt, schema: object, limit: int, stop: Callable[[], bool]
    ) -> Iterator[str]:
        self.asked.append((self._name, prompt.data))
        while not stop():
            threading.Event().wait(0.01)
        raise Stopped("nobody waits")
        yield ""

    def close(self) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose models need no files: what is in use is a name."""
    monkeypatch.setattr(Engine, "asked", [])
    served = SimpleNamespace(
        TITLES=engines.TITLES,
        Files=engines.Files,
        choose=lambda wanted, files: engines.Choice("mlx", "the fastest here"),
        load=lambda wanted, files: Engine(files.place),
    )
    kept = partial(Manifest, source="", files={})
    monkeypatch.setattr(language, "engines", served)
    monkeypatch.setattr(Languages, "checked", lambda self, name: tmp_path / name)
    monkeypatch.setattr(Languages, "manifest", lambda self, name: kept(name=name, place=f"/{name}"))
    (tmp_path / "models" / "language").mkdir(parents=True)
    return Settings(home=tmp_path, ask_model=True)


def test_no_model_is_asked_unless_settings_say_so(settings: Settings) -> None:
    off = settings.model_copy(update={"ask_model": False})
    assert Language(off).second_opinion is None


def test_without_a_chosen_model_it_says_how_to_get_one(settings: Settings) -> None:
    opinion = Language(settings).second_opinion
    assert opinion is not None
    with pytest.raises(ModelError, match="pillion model fetch"):
        opinion.labels(REQUEST)


def test_the_model_in_use_now_is_asked_and_each_has_its_own_bias(settings: Settings) -> None:
    with closing(Language(settings)) as asked:
        opinion = asked.second_opinion
        assert opinion is not None
        for name in ("one", "two"):
            languages_of(settings).use(name)
            opinion.labels(REQUEST)
    assert Engine.asked == [
        ("one", REQUEST.text), ("one", BLANK), ("two", REQUEST.text), ("two", BLANK),
    ]  # fmt: skip


def test_another_model_does_not_wait_for_the_words_of_the_one_before(settings: Settings) -> None:
    told: list[str] = []
    with closing(Language(settings)) as asked:
        languages_of(settings).use("one")

        def write() -> None:
            try:
                asked.complete(Prompt("tell"), {}, 10, 60.0, stop=lambda: False)
            except ModelError as exc:
                told.append(str(exc))

        writing = threading.Thread(target=write)
        writing.start()
        while not Engine.asked:
            threading.Event().wait(0.01)
        languages_of(settings).use("two")
        opinion, began = asked.second_opinion, time.monotonic()
        assert opinion is not None
        opinion.labels(REQUEST)
        assert time.monotonic() - began < 20
        writing.join(60)
    assert ("two", REQUEST.text) in Engine.asked and "put away" in told[0]
