"""A measurement gives way: while the product's process works, it works an eighth of the time.

At the lowest priority it still takes cache and memory from queries on the other cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from tools.product.measure import Clock, processor

SHARE = 0.125
"""Of the clock, for a measurement beside a product at work."""
BUSY = 0.05
"""Of one core: what a product's process works at least when queries are asked of it."""
WINDOW = 0.25
"""Seconds over which both are counted: systems count processor time by hundredths."""
LEAST = 0.001
"""Seconds that are worth a sleep."""


def product_clock(pid: int) -> Clock:
    """Return the clock of the processor seconds of the product's process; it stops when that ends.

    Its children are not counted: the measurement is one of them.
    """

    def worked() -> float:
        try:
            times = process.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    process = psutil.Process(pid)
    return worked


@dataclass
class Pace:
    """Sleeps between queries as long as is owed for what was worked beside a busy product."""

    product: Clock
    own: Clock = processor
    clock: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    note: str = field(default="", init=False)
    """What to tell who waits, where it gave way when it was last asked to."""
    _slept: float = field(default=0.0, init=False)
    _seen: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._now()

    def rest(self) -> None:
        """Give way if it is time to; it goes on at once when the product falls quiet."""
        clock, own, product = self._since(self._seen)
        if clock < WINDOW:
            return
        owed = own / SHARE - clock if product >= BUSY * clock else 0.0
        self.note = ", slowly: the product is busy" if owed > LEAST else ""
        while owed > LEAST:
            before = self._now()
            self.sleep(min(owed, WINDOW))
            slept, _, product = self._since(before)
            self._slept += slept
            owed = owed - slept if product >= BUSY * slept else 0.0
        self._seen = self._now()

    def rested(self) -> float:
        """Return the seconds that it slept so far."""
        return self._slept

    def _now(self) -> tuple[float, float, float]:
        return self.clock(), self.own(), self.product()

    def _since(self, before: tuple[float, float, float]) -> tuple[float, float, float]:
        clock, own, product = (now - then for now, then in zip(self._now(), before, strict=True))
        return clock, own, product
