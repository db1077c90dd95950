"""How often somebody may ask."""

from __future__ import annotations

import math
import time

from api.service.problems import Refused

MOST = 10_000


class Rate:
    """A token bucket a name, two seconds deep; the names longest unseen are forgotten."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._depth = max(1.0, 2 * per_second)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Take one token, when there is one; returns the seconds until there is, 0 when taken."""
        at = time.monotonic()
        tokens, seen = self._buckets.pop(name, (self._depth, at))
        tokens = min(self._depth, tokens + (at - seen) * self._per_second)
        allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if allowed else tokens, at)
        if len(self._buckets) > MOST:
            del self._buckets[next(iter(self._buckets))]
        return 0.0 if allowed else (1 - tokens) / self._per_second

    def check(self, name: str) -> None:
        """Take one token; refuses with 429, and when to try again, while there is none."""
        seconds = self.take(name)
        if seconds:
            refused = Refused(
                429, "too_many_requests", "Too many requests; slow down and try again."
            )
            refused.headers["retry-after"] = str(math.ceil(seconds))
            raise refused
