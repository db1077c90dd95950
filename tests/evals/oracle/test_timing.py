"""Timing by turns: queries and writes together, and queries alone."""

from __future__ import annotations

from collections.abc import Callable

from evals.oracle.timing import Work, compare


def spin(times: int) -> Callable[[], None]:
    def run() -> None:
        sum(range(times))

    return run


def test_what_writes_lose_is_in_the_total_and_not_in_the_reads() -> None:
    reads = Work(spin(100_000), spin(25_000), runs=1)
    writes = Work(spin(25_000), spin(250_000), runs=1, writes=True)
    found = compare([reads, writes])
    assert found.reads and found.reads.low > 2
    assert found.total.high < 1


def test_where_nothing_reads_there_is_only_a_total() -> None:
    found = compare([Work(spin(1000), spin(1000), runs=1, writes=True)])
    assert found.reads is None and found.total.of >= 9
