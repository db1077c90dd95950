"""What a workload costs in processor time on two products, measured by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import duckdb

from evals.statistics import Estimate, gain

GOOD_ABOVE = 1.03
"""A gain counts when the lower bound of before / after is above this."""
HARM_BELOW = 0.97
"""A change is clearly slower when the upper bound of before / after is below this."""
LEAST_TURNS = 9
MOST_TURNS = 400
SECONDS = 1.5
MOST_SECONDS = 20.0
FEW_TURNS = 2
"""So many are enough where a turn takes so long that more have no time."""
LONG_SECONDS = 60.0
NARROW = 0.06
"""Turns go on until the interval is this narrow, in parts of its value ..."""
NARROW_AT_BORDER = 0.03
"""... or this, where an end lies beside a border, on whichever side: chance decides there."""
LOOP = 0.002
"""A query shorter than this is repeated until one sample lasts as long: the clock has steps."""
MOST_LOOPS = 50


class Work(NamedTuple):
    """One thing to time on either side, and how often it happens."""

    before: Callable[[], None]
    after: Callable[[], None]
    runs: int
    writes: bool = False
    """Whether it leaves something behind: then it is not repeated more than it must be."""


def query(con: duckdb.DuckDBPyConnection, sql: str) -> Callable[[], None]:
    """Return how to run a query to its last row."""

    def run() -> None:
        con.execute(sql).fetchall()

    return run


def batch(con: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> Callable[[], None]:
    """Return how to write a batch; an index is only paid for when it is committed."""

    def run() -> None:
        con.execute("BEGIN")
        for statement in statements:
            con.execute(statement)
        con.execute("COMMIT")

    return run


class Timing(NamedTuple):
    """Weighted total time before / after."""

    total: Estimate
    reads: Estimate | None
    """The same of what only reads; None where nothing does."""


def compare(works: Sequence[Work]) -> Timing:
    """Time both sides by turns; which side goes first changes every turn."""
    loops = [_loops(work) for work in works]
    old: list[list[float]] = []
    new: list[list[float]] = []
    started = time.monotonic()
    while _goes_on(old, new, time.monotonic() - started):
        before, after = [], []
        for work, count in zip(works, loops, strict=True):
            first, second = work.before, work.after
            if len(old) % 2:
                first, second = second, first
            took = _seconds(first, count) * work.runs, _seconds(second, count) * work.runs
            before.append(took[len(old) % 2])
            after.append(took[1 - len(old) % 2])
        old.append(before)
        new.append(after)
    read = [at for at, work in enumerate(works) if not work.writes]
    return Timing(gain(old, new), gain(_of(old, read), _of(new, read)) if read else None)


def _of(turns: Sequence[Sequence[float]], columns: Sequence[int]) -> list[list[float]]:
    return [[turn[at] for at in columns] for turn in turns]


def _goes_on(old: Sequence[Sequence[float]], new: Sequence[Sequence[float]], took: float) -> bool:
    if took > LONG_SECONDS and len(old) >= FEW_TURNS:
        return False
    if len(old) < LEAST_TURNS or took < SECONDS:
        return len(old) < MOST_TURNS
    if len(old) >= MOST_TURNS or took > MOST_SECONDS:
        return False
    # An interval of many turns takes longer than a turn, and one more hardly moves it.
    return bool(len(old) % max(1, len(old) // 10)) or not _settled(gain(old, new))


def _settled(found: Estimate) -> bool:
    width = found.high - found.low
    away = min(abs(found.low - GOOD_ABOVE), abs(found.high - HARM_BELOW))
    narrow = NARROW if away > width / 2 else NARROW_AT_BORDER
    return width <= narrow * found.value


def _loops(work: Work) -> int:
    """Run both sides once to warm them up, then see how long the faster one takes."""
    slower = max(_seconds(work.before, 1), _seconds(work.after, 1))
    if work.writes or slower > SECONDS:
        return 1
    least = min(_seconds(work.before, 1), _seconds(work.after, 1))
    return max(1, min(MOST_LOOPS, round(LOOP / max(least, 1e-6))))


def _seconds(run: Callable[[], None], loops: int) -> float:
    started = time.process_time()
    for _ in range(loops):
        run()
    return (time.process_time() - started) / loops
