"""How long models take in this process, and how often they give no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from tools.histogram import Histogram
from tools.slm.errors import ModelBusy, TooLate

BOUNDS = (0.0005, 0.002, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0)
Operation = Literal["judge", "rules", "route"]
Outcome = Literal["answered", "refused", "late", "failed"]


class Times:
    """Histograms by operation and outcome; any thread may add to them."""

    def __init__(self) -> None:
        self._held: dict[tuple[Operation, Outcome], Histogram] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, operation: Operation) -> Iterator[None]:
        """Count what happens within: answered, refused by a full queue, late, or failed."""
        began = time.perf_counter()
        outcome: Outcome = "failed"
        try:
            yield
            outcome = "answered"
        except ModelBusy:
            outcome = "refused"
            raise
        except TooLate:
            outcome = "late"
            raise
        finally:
            self._add(operation, outcome, time.perf_counter() - began)

    def _add(self, operation: Operation, outcome: Outcome, seconds: float) -> None:
        with self._lock:
            self._held.setdefault((operation, outcome), Histogram(BOUNDS)).add(seconds)

    def all(self) -> dict[tuple[Operation, Outcome], Histogram]:
        """Return the histograms so far."""
        with self._lock:
            return dict(self._held)


TIMES = Times()
"""Of this process."""
