"""The language model in use as a second opinion, loaded when it is first asked."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, cast

from graph.settings import Settings
from tools.asking.model import SecondOpinion
from tools.lazy import lazy
from tools.slm.engine import Prompt, Schema, Stop, Stopped
from tools.slm.times import TIMES

if TYPE_CHECKING:
    from graph import language
    from tools.slm import worker
else:
    language, worker = lazy("graph.language"), lazy("tools.slm.worker")

SECONDS = 10.0
"""Longest wait; the rules' question back is as good as an answer later than that."""


class Language:
    """Scores by whichever model is in use; closed, it gives its memory back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opinion = SecondOpinion(self._score)
        self._lock = threading.Lock()
        self._used: tuple[str, str] | None = None
        self._worker: worker.Worker | None = None

    @property
    def second_opinion(self) -> SecondOpinion | None:
        """The model's answers, where settings ask for them."""
        return self._opinion if self._settings.ask_model else None

    def _score(self, prompt: Prompt, choices: Sequence[str]) -> Mapping[str, float]:
        """Return the probability of each choice; raises `ModelError`."""
        with TIMES.timed("route"):
            with self._lock:
                asked = self._asked()
            return asked.score(prompt, choices, SECONDS)

    def used(self) -> str | None:
        """Return the name of the model in use, if there is one; raises `ModelError`."""
        found = language.chosen(self._settings)
        return None if found is None else found.name

    def complete(
        self, prompt: Prompt, schema: Schema, limit: int, seconds: float, *, stop: Stop
    ) -> str:
        """Return what the model says under a schema, in at most `limit` tokens.

        Raises `ModelError`; `Stopped` at the next token when `stop` says that nobody waits.
        """
        with self._lock:
            asked = self._asked()
        said = []
        pieces = cast("Generator[str]", asked.stream(prompt, schema, limit, seconds))
        with closing(pieces):
            for piece in pieces:
                if stop():
                    raise Stopped("Nobody waits for these words any more.")
                said.append(piece)
        return "".join(said)

    def _asked(self) -> worker.Worker:
        found = language.needed(self._settings)
        used = (found.name, found.by)
        if self._worker is None or used != self._used:
            self.close()
            # Another model has another bias.
            self._opinion.forget()
            self._used, self._worker = used, worker.Worker(found.load)
        return self._worker

    def close(self) -> None:
        """End the model's thread."""
        if self._worker is not None:
            # Words of a model that is not used any more are nobody's to wait for.
            self._worker.close(at_once=True)
            self._worker = None
