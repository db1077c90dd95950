"""The words about a proposal or a column: a model's where it wrote some that passed, else rules'.

Nobody waits for a model unless they asked for its words: what is shown is what is there, and a
service has the rest written behind it, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

from api.asking.language import Language
from graph.settings import Settings
from graph.words import FILE, WordStore
from tools.messages import Proposal
from tools.slm.errors import ModelError
from tools.words.facts import Facts
from tools.words.proposals import facts_of
from tools.words.told import Words, template
from tools.words.writing import write

LOG = logging.getLogger("pillion.words")
SECONDS = 120.0
"""Longest wait for one wording; small models on two cores take up to a minute."""


@asynccontextmanager
async def open_explainer(settings: Settings) -> AsyncIterator[Explainer]:
    """Open the words of a home, and the model in use behind them, for the length of a block."""
    with closing(Language(settings)) as language, closing(Explainer(settings, language)) as found:
        try:
            yield found
        finally:
            await found.stop()


def words_of(settings: Settings, proposal: Proposal) -> Words:
    """Return the words about a proposal that are there."""
    with closing(Language(settings)) as language, closing(Explainer(settings, language)) as found:
        return found.known(facts_of(proposal))


class Explainer:
    """Tells facts in words."""

    def __init__(self, settings: Settings, language: Language) -> None:
        self.language = language
        self._wanted = settings.words_model
        self._store = WordStore(settings.home / FILE) if self._wanted else None
        self._writing: asyncio.Task[None] | None = None
        self._ending = threading.Event()

    def close(self) -> None:
        """Release the file."""
        if self._store is not None:
            self._store.close()

    def known(self, facts: Facts) -> Words:
        """Return the words that are there, without asking a model."""
        if self._store is None:
            return template(facts)
        model = self._model()
        if model is None:
            return template(facts, "no_model")
        return self._store.find(facts, model) or template(facts)

    def written(self, facts: Facts) -> Words:
        """Return the words that are there, or have a model write them, which takes its time."""
        if self._store is None:
            return template(facts)
        model, found = self._model(), self.known(facts)
        if model is None or self._store.find(facts, model):
            return found
        started = time.monotonic()
        words = self._ask(facts, model)
        self._store.keep(facts, model, words, time.monotonic() - started)
        return words

    def later(self, facts: Facts) -> None:
        """Have words written in the background, unless some are being written already."""
        model = self._model() if self._store is not None else None
        if self._store is None or model is None or self._store.find(facts, model):
            return
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(self._store, facts, model))

    async def stop(self) -> None:
        """Give up the words that are being written; the model stops at its next token."""
        self._ending.set()
        if self._writing is not None:
            await self._writing

    async def _write(self, store: WordStore, facts: Facts, model: str) -> None:
        started = time.monotonic()
        words = await asyncio.to_thread(self._ask, facts, model)
        if self._ending.is_set():
            return
        store.keep(facts, model, words, time.monotonic() - started)

    def _ask(self, facts: Facts, model: str) -> Words:
        complete = partial(self.language.complete, stop=self._ending.is_set)
        words = write(facts, model, complete, SECONDS)
        LOG.info("words about a %s: %s", facts.about, words.fallback or "written")
        return words

    def _model(self) -> str | None:
        try:
            return self.language.used()
        except ModelError as exc:
            LOG.warning("no model for words: %s", exc)
            return None
