"""The language model in use as a second opinion, loaded when it is first asked."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graph.settings import Settings
from tools.asking.model import SecondOpinion
from tools.lazy import lazy
from tools.slm.engine import Engine, Prompt
from tools.slm.errors import ModelError
from tools.slm.times import TIMES

if TYPE_CHECKING:
    from graph import learning
    from tools.slm import mlx_engine, worker
else:
    learning, worker = lazy("graph.learning"), lazy("tools.slm.worker")
    mlx_engine = lazy("tools.slm.mlx_engine")

SECONDS = 10.0
"""Longest wait; the rules' question back is as good as an answer later than that."""


class Language:
    """Scores by whichever model is in use; closed, it gives its memory back."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.ask_model
        self._store = learning.languages_of(settings)
        self._opinion = SecondOpinion(self._score)
        self._lock = threading.Lock()
        self._used: str | None = None
        self._worker: worker.Worker | None = None

    @property
    def second_opinion(self) -> SecondOpinion | None:
        """The model's answers, where settings ask for them."""
        return self._opinion if self._wanted else None

    def _score(self, prompt: Prompt, choices: Sequence[str]) -> Mapping[str, float]:
        """Return the probability of each choice; raises `ModelError`."""
        with TIMES.timed("route"):
            with self._lock:
                asked = self._asked()
            return asked.score(prompt, choices, SECONDS)

    def _asked(self) -> worker.Worker:
        used = self._store.used()
        if used is None:
            raise ModelError("No language model is chosen: `pillion model fetch`, then `use`.")
        if importlib.util.find_spec("mlx_lm") is None:
            raise ModelError("mlx_lm is not installed: install pillion[model].")
        if self._worker is None or used != self._used:
            self.close()
            # Another model has another bias.
            self._opinion.forget()
            self._used, self._worker = used, worker.Worker(lambda: self._load(used))
        return self._worker

    def _load(self, used: str) -> Engine:
        place = self._store.checked(used)
        try:
            return mlx_engine.MlxEngine(place)
        except ImportError as exc:
            raise ModelError(f"MLX cannot be used here: {exc}.") from exc

    def close(self) -> None:
        """End the model's thread."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
