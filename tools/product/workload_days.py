"""When a product is asked: runs a day of each text, literals apart, for as long as a year.

A day holds one small row for each text that was asked, so the file grows with the variety of the
workload and the days that are kept, not with the runs.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from tools.product.workload import Windows

KEPT_DAYS = 400
"""A yearly report is seen once more before its last run is forgotten."""
MOST_WINDOWS = 60
RUNS_FOR_RHYTHM = 3
"""Windows a text was asked in before its pauses say anything."""
SILENT_TIMES = 3
"""A pause so many times as long as any before is no pause."""
SILENT_WINDOWS = 7
SILENT_DAYS = 100
"""After a quarter and more it does not matter how long a text was asked before."""
_ADD = "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs"
DayRuns = Counter[tuple[str, str]]
"""Runs by mask and day (ISO)."""


class Recorded(NamedTuple):
    """The windows that runs were recorded in, and the runs of each mask in them."""

    windows: Windows | None
    runs: Mapping[str, tuple[int, ...]]
    heard: tuple[bool, ...]
    """Whether anything at all was recorded in each window."""


def add_days(con: sqlite3.Connection, runs: DayRuns) -> None:
    """Add runs, or take negative ones back, inside the caller's transaction."""
    con.executemany(_ADD, [(*key, count) for key, count in runs.items()])
    if min(runs.values(), default=0) < 0:
        con.execute("DELETE FROM days WHERE runs <= 0")


def forget_days(con: sqlite3.Connection) -> None:
    """Delete what is older than is kept, counted from the last day with a run."""
    (last,) = con.execute("SELECT max(day) FROM days").fetchone()
    if last is not None:
        first = date.fromisoformat(last) - timedelta(days=KEPT_DAYS - 1)
        con.execute("DELETE FROM days WHERE day < ?", (first.isoformat(),))


def recorded(con: sqlite3.Connection) -> Recorded:
    """Return the recorded days as at most `MOST_WINDOWS` windows of whole days, the last one full.

    Days before the first full window are left out.
    """
    rows = con.execute("SELECT mask, day, runs FROM days").fetchall()
    if not rows:
        return Recorded(None, {}, ())
    days = [date.fromisoformat(day) for _, day, _ in rows]
    last, span = max(days), (max(days) - min(days)).days + 1
    width = -(-span // MOST_WINDOWS)
    count = span // width
    counted: dict[str, list[int]] = {}
    for (mask, _, runs), day in zip(rows, days, strict=True):
        at = count - 1 - (last - day).days // width
        if at >= 0:
            counted.setdefault(mask, [0] * count)[at] += runs
    first = last - timedelta(days=width * count - 1)
    windows = Windows(first=first.isoformat(), days=width, count=count)
    heard = tuple(map(any, zip(*counted.values(), strict=True)))
    return Recorded(windows, {mask: tuple(runs) for mask, runs in counted.items()}, heard)


def together(parts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the runs of several texts, window by window."""
    return tuple(map(sum, zip(*(p for p in parts if p), strict=True)))


def ceased(runs: Sequence[int], windows: Windows | None, heard: Sequence[bool]) -> str:
    """Say why a query seems to be asked no more, or nothing where it is or cannot be told.

    It was asked with a rhythm, for at least as long as it is silent now, and never paused a third
    as long: a report of every week or month, or of some days at a month's end, is not taken for it.
    Windows in which nothing at all was recorded (`heard`) are no silence: nobody listened.
    """
    asked = [at for at, count in enumerate(runs) if count]
    if windows is None or len(asked) < RUNS_FOR_RHYTHM:
        return ""
    since = len(runs) - 1 - asked[-1]
    silent = sum(heard[asked[-1] + 1 :])
    longest = max(b - a for a, b in pairwise(asked))
    if silent <= max(SILENT_WINDOWS, SILENT_TIMES * longest):
        return ""
    if since > asked[-1] - asked[0] + 1 and silent * windows.days <= SILENT_DAYS:
        return ""
    last = date.fromisoformat(windows.first) + timedelta(days=(asked[-1] + 1) * windows.days - 1)
    days = f"{silent * windows.days}{' recorded' if silent < since else ''} days"
    return (
        f"asked until {last.isoformat()} at least every {_days(longest * windows.days)}"
        f" and not in the {days} since"
    )


def _days(count: int) -> str:
    return "day" if count == 1 else f"{count} days"
