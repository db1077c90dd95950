"""Telling how far long work is: its steps one after another, counted together."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[float, float, str], None]
"""Takes what is done, the total as far as it is known, and a text.

It is called with locks held and between timed queries, so it must neither wait nor raise."""
PAUSE = 0.5
"""Seconds between parts that are told: queries are timed meanwhile, and telling takes time, too."""


def quiet(done: float, total: float, text: str) -> None:
    """Tell nobody."""


class Steps:
    """What one piece of work does now, and how much of it is done; the count only grows."""

    def __init__(self, progress: Progress = quiet) -> None:
        self._progress = progress
        self._text = ""
        self._start = self._end = self._total = 0
        self._told = 0.0

    def begin(self, text: str, size: int = 1, later: int = 0) -> None:
        """Begin a step of `size` parts, after which at least `later` more parts follow."""
        self._text, self._start = text, self._end
        self._end += size
        self._total = max(self._total, self._end + later)
        self._tell(self._start, text)

    def part(self, done: int, detail: str) -> None:
        """Tell how far the step is, unless something was told just now."""
        if time.monotonic() - self._told >= PAUSE:
            self._tell(self._start + done, f"{self._text}, {detail}")

    def _tell(self, done: int, text: str) -> None:
        self._told = time.monotonic()
        self._progress(done, self._total, text)
