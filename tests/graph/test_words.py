"""Wordings that are kept: found again, bounded, counted, and whole after a crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graph import words
from graph.words import FILE, Tried, WordStore, tried_at
from tests.tools.words.cases import plain_facts
from tools import failpoints
from tools.words.facts import Facts
from tools.words.told import Words, template

FACTS = plain_facts()
WRITTEN = Words(text="Good words.", by="small")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WordStore]:
    with closing(WordStore(tmp_path / FILE)) as opened:
        yield opened


def other(number: int) -> Facts:
    return FACTS.model_copy(update={"sentences": (f"Number {number}.",)})


def test_words_are_found_by_facts_and_model(store: WordStore) -> None:
    store.keep(FACTS, "small", WRITTEN, 2.0)
    assert store.find(FACTS, "small") == WRITTEN
    assert store.find(FACTS, "large") is None
    assert store.find(other(1), "small") is None


@pytest.mark.parametrize(("reason", "kept"), [("numbers", True), ("busy", False)])
def test_a_refusal_lasts_and_a_hindrance_does_not(
    store: WordStore, reason: str, kept: bool
) -> None:
    refused = template(FACTS).model_copy(update={"fallback": reason})
    store.keep(FACTS, "small", refused, 1.0)
    assert (store.find(FACTS, "small") == refused) is kept
    assert store.tried("small") == [Tried("proposal", "small", reason, 1, 1.0)]


def test_the_latest_are_kept_and_all_are_counted(
    store: WordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "MOST", 3)
    for number in range(5):
        store.keep(other(number), "small", WRITTEN, 0.5)
    assert [store.find(other(n), "small") is not None for n in range(5)] == [False] * 2 + [True] * 3
    assert store.tried() == [Tried("proposal", "small", "written", 5, 2.5)]


def test_words_of_another_version_are_written_again(store: WordStore) -> None:
    store.keep(FACTS, "small", WRITTEN, 1.0)
    with store._transaction() as con:
        con.execute("UPDATE words SET body = '{\"said\": 1}'")
    assert store.find(FACTS, "small") is None


def test_a_home_without_words_has_none_and_gets_no_file(tmp_path: Path) -> None:
    assert tried_at(tmp_path) == [] and not (tmp_path / FILE).exists()


@pytest.mark.crash
@pytest.mark.parametrize(("point", "kept"), [("before_commit", 0), ("after_commit", 1)])
def test_a_crash_leaves_words_and_count_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, kept: int
) -> None:
    WordStore(tmp_path / FILE).close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", f"words.{point}")
        with closing(WordStore(tmp_path / FILE)) as store:
            store.keep(FACTS, "small", WRITTEN, 1.0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(WordStore(tmp_path / FILE)) as store:
        assert len(store.tried()) == kept
        assert (store.find(FACTS, "small") is not None) == bool(kept)
