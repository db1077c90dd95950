"""A measurement gives way to its product: it works an eighth of the time beside a busy one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.product.measure import Watchdog, open_copy
from tools.product.pace import BUSY, SHARE, WINDOW, Pace, product_clock


@dataclass
class Machine:
    """A clock on which the measurement works and sleeps beside a product."""

    busy: float
    """Of one core, what the product works."""
    now: float = 0.0
    worked: float = 0.0
    products: float = 0.0
    quiet_after: float = float("inf")

    def work(self, seconds: float, processor: float = 1.0) -> None:
        self.worked += seconds * processor
        self._passes(seconds)

    def sleep(self, seconds: float) -> None:
        self._passes(seconds)

    def _passes(self, seconds: float) -> None:
        self.products += self.busy * max(0.0, min(seconds, self.quiet_after - self.now))
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(
            lambda: self.products, own=lambda: self.worked, clock=lambda: self.now, sleep=self.sleep
        )

    def measure(self, pace: Pace, query: float, seconds: float, processor: float = 1.0) -> None:
        while self.now < seconds:
            pace.rest()
            self.work(query, processor)


@given(query=st.floats(0.001, 2.0), busy=st.floats(2 * BUSY, 2.0))
def test_beside_a_busy_product_an_eighth_of_the_time_is_worked(query: float, busy: float) -> None:
    machine = Machine(busy)
    pace = machine.pace()
    machine.measure(pace, query, 60.0)
    assert pace.rested() + machine.worked == pytest.approx(machine.now)
    most = SHARE * machine.now + query + WINDOW
    assert 0.5 * SHARE * machine.now - query <= machine.worked <= most


@given(query=st.floats(0.001, 2.0), busy=st.floats(0.0, 0.9 * BUSY))
def test_beside_a_quiet_product_nothing_is_slept(query: float, busy: float) -> None:
    machine = Machine(busy)
    machine.measure(machine.pace(), query, 20.0)
    assert machine.worked == pytest.approx(machine.now)


def test_waiting_for_the_processor_counts_as_rest() -> None:
    machine = Machine(busy=1.0)
    machine.measure(machine.pace(), 0.1, 20.0, processor=SHARE)
    assert machine.worked == pytest.approx(SHARE * machine.now)


def test_work_goes_on_at_once_when_the_product_falls_quiet() -> None:
    machine = Machine(busy=1.0, quiet_after=10.1)
    pace = machine.pace()
    machine.work(10.0)
    pace.rest()
    assert machine.now <= 10.1 + 2 * WINDOW
    assert pace.note == ", slowly: the product is busy"
    machine.work(1.0)
    pace.rest()
    assert pace.note == ""


def test_every_query_under_a_watchdog_may_rest_first() -> None:
    rests: list[float] = []
    watchdog = Watchdog(lambda: rests.append(time.monotonic()))
    with open_copy(":memory:", "100MB") as con:  # type: ignore[arg-type]
        for _ in range(3):
            with watchdog.limit(con, 1.0):
                con.execute("SELECT 1").fetchall()
    watchdog.close()
    assert len(rests) == 3


def test_the_products_clock_counts_the_work_of_its_process_and_not_of_its_children() -> None:
    clock = product_clock(os.getpid())
    before = clock()
    sum(i * i for i in range(3_000_000))
    worked = clock() - before
    subprocess.run([sys.executable, "-I", "-S", "-c", "sum(range(40_000_000))"], check=True)
    assert worked > 0.02
    assert clock() - before < worked + 0.2


def test_the_clock_of_a_product_that_ended_stands_still() -> None:
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    clock = product_clock(child.pid)
    child.communicate(b"\n")
    assert clock() == clock() == 0.0
