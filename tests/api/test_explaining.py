"""Words about a proposal: a template at once, a model's when it wrote some, nobody kept waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.asking.language import Language
from api.explaining import Explainer, open_explainer, words_of
from graph import language
from graph.language import Chosen
from graph.settings import Settings
from graph.words import FILE, tried_at
from tests.factories import make_proposal
from tests.tools.words.cases import plain_facts
from tests.tools.words.test_checks import GOOD
from tools.slm.engine import Prompt, Schema, Stop
from tools.slm.errors import ModelError
from tools.words.proposals import facts_of
from tools.words.told import RULES, template

FACTS = plain_facts()


class Engine:
    """A model that says the same to everything."""

    says = GOOD
    asked = 0

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        Engine.asked += 1
        yield '{"text": '
        yield json.dumps(Engine.says) + "}"

    def close(self) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose model needs no files."""
    monkeypatch.setattr(Engine, "asked", 0)
    monkeypatch.setattr(Engine, "says", GOOD)
    found = Chosen("small", "a test", Engine)
    monkeypatch.setattr(language, "chosen", lambda settings: found)
    return Settings(home=tmp_path, words_model=True)


@pytest.fixture
def explainer(settings: Settings) -> Iterator[Explainer]:
    with closing(Language(settings)) as model, closing(Explainer(settings, model)) as opened:
        yield opened


def test_without_the_setting_no_model_is_asked_and_no_file_made(settings: Settings) -> None:
    off = settings.model_copy(update={"words_model": False})
    with closing(Language(off)) as model, closing(Explainer(off, model)) as explainer:
        assert explainer.written(FACTS) == template(FACTS)
        explainer.later(FACTS)
    assert Engine.asked == 0 and not (off.home / FILE).exists()


def test_where_no_model_is_wanted_a_broken_one_is_nobodys_to_hear_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(settings: Settings) -> None:
        raise ModelError("its manifest is damaged")

    monkeypatch.setattr(language, "chosen", broken)
    off = settings.model_copy(update={"words_model": False})
    with closing(Language(off)) as model, closing(Explainer(off, model)) as explainer:
        assert explainer.written(FACTS) == template(FACTS)
    assert not caplog.records


def test_without_a_model_the_template_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "chosen", lambda settings: None)
    with closing(Language(settings)) as model, closing(Explainer(settings, model)) as explainer:
        assert explainer.written(FACTS) == template(FACTS, "no_model")


def test_words_are_written_once_and_then_known(explainer: Explainer) -> None:
    assert explainer.known(FACTS) == template(FACTS)
    words = explainer.written(FACTS)
    assert words.by == "small" and '"dep_delay"' in words.text
    assert explainer.known(FACTS) == explainer.written(FACTS) == words
    assert Engine.asked == 1


def test_a_refused_text_is_not_asked_for_again(
    explainer: Explainer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "says", GOOD.replace("3.4", "7.4"))
    for _ in range(2):
        assert explainer.written(FACTS) == template(FACTS, "numbers")
    assert Engine.asked == 1
    assert [t.outcome for t in tried_at(settings.home)] == ["numbers"]


def test_a_model_that_cannot_be_loaded_leaves_the_template(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> Engine:
        raise ModelError("damaged")

    found = Chosen("small", "a test", damaged)
    monkeypatch.setattr(language, "chosen", lambda settings: found)
    assert explainer.written(FACTS) == template(FACTS, "failed")
    assert explainer.known(FACTS) == template(FACTS)


async def test_a_service_writes_behind_what_it_shows(settings: Settings) -> None:
    async with open_explainer(settings) as explainer:
        explainer.later(FACTS)
        explainer.later(FACTS)
        assert explainer.known(FACTS).by == RULES
        assert explainer._writing is not None
        await explainer._writing
        assert explainer.known(FACTS).by == "small"
        assert Engine.asked == 1


async def test_what_is_being_written_is_given_up_at_the_end(settings: Settings) -> None:
    async with open_explainer(settings) as explainer:
        explainer.later(FACTS)
    assert tried_at(settings.home) == []


def test_a_terminal_shows_what_is_there(settings: Settings) -> None:
    proposal = make_proposal()
    assert words_of(settings, proposal) == template(facts_of(proposal))
    assert Engine.asked == 0
