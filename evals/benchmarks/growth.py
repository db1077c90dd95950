"""Growth: how the time to read a workload and find ideas grows with queries and with tables."""

from __future__ import annotations

import csv
import math
import random
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import duckdb
import numpy

from evals.benchmarks.command import home
from evals.benchmarks.report import Row
from tools.demo.flights import queries
from tools.demo.tpch import QUERIES, build_tpch
from tools.messages import ChangeKind, quoted
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.finder import find
from tools.product.catalog import read_catalog
from tools.product.importers import import_path
from tools.product.workload_store import WorkloadStore

NAME = "growth"
CLAIM = (
    "Reading the workload and finding ideas grows no worse than linearly, with the log (22 to "
    "100,000 lines, each with literals of its own) and with the tables (10 to 1,000)."
)
KINDS: tuple[str, ...] = get_args(ChangeKind)
LINES, TABLES = (22, 220, 2_200, 100_000), (10, 100, 1_000)
MOST = 1.1
"""Largest exponent that still counts as linear; measuring has noise."""
ROWS, REPETITIONS = 200, 3
_YEAR, _NUMBER = re.compile(r"\b19\d\d\b"), re.compile(r"\b\d{1,2}\b")
_Times = tuple[float, float, int]
"""Seconds to read the workload, seconds to find ideas, ideas."""


def run(quick: bool) -> list[Row]:
    """Measure both series and fit exponents."""
    lines, tables = (LINES[:3], TABLES[:2]) if quick else (LINES, TABLES)
    with home() as directory:
        database = directory / "tpch.duckdb"
        build_tpch(database, 0.01, lambda step, done: None)
        _of_lines(directory, database, lines[0] - 1)  # first use of the parser costs once
        by_lines = [_of_lines(directory, database, count) for count in lines]
        by_tables = [_of_tables(directory, count) for count in tables]
    return [
        *_series("log lines", lines, by_lines),
        *_series("tables", tables, by_tables),
    ]


def _of_lines(directory: Path, database: Path, count: int) -> _Times:
    log = directory / f"lines{count}.csv"
    _write_log(log, count, list(queries(QUERIES).values()))
    return _time(directory, database, log)


def _of_tables(directory: Path, count: int) -> _Times:
    database, log = directory / f"tables{count}.duckdb", directory / f"tables{count}.csv"
    names = [f"feed_{number}" for number in range(count)]
    with duckdb.connect(str(database)) as con:
        for name in names:
            con.execute(
                f"CREATE TABLE {quoted(name)} AS SELECT i AS id, (i % 7)::VARCHAR AS kind, "
                "(i * 3)::VARCHAR AS amount, (DATE '2026-01-01' + i::INTEGER)::VARCHAR AS day "
                f"FROM range({ROWS}) t(i)"
            )
    texts = [
        text
        for name in names
        for text in (
            f"SELECT kind, sum(CAST(amount AS INTEGER)) FROM {name} GROUP BY kind",
            f"SELECT count(*) FROM {name} WHERE CAST(day AS DATE) >= DATE '2026-03-01'",
        )
    ]
    _write_log(log, len(texts), texts)
    return _time(directory, database, log)


def _write_log(path: Path, count: int, texts: Sequence[str]) -> None:
    """Write `count` runs of `texts` in turn, each with other literals."""
    rng, start = random.Random(count), datetime(2026, 3, 1)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("timestamp", "duration_ms", "sql"))
        for line in range(count):
            at = start + timedelta(seconds=line)
            writer.writerow(
                (at.isoformat(" "), 5 + line % 40, _varied(texts[line % len(texts)], rng))
            )


def _varied(sql: str, rng: random.Random) -> str:
    """Return `sql` with other years and other small numbers, which are months and days too."""
    sql = _NUMBER.sub(lambda m: f"{rng.randint(1, 12):0{len(m.group())}d}", sql)
    return _YEAR.sub(lambda m: str(rng.randint(1992, 1998)), sql)


def _time(directory: Path, database: Path, log: Path) -> _Times:
    """Return the best of several times: what disturbs a run only ever adds."""
    times = [_time_once(directory / f"{n}", database, log) for n in range(REPETITIONS)]
    return min(t[0] for t in times), min(t[1] for t in times), times[-1][2]


def _time_once(directory: Path, database: Path, log: Path) -> _Times:
    store = WorkloadStore(directory / f"{log.stem}.workload.db")
    with duckdb.connect(str(database), read_only=True) as con:

        def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            return con.execute(sql, list(parameters)).fetchall()

        catalog = read_catalog(con)
        read, workload = _timed(lambda: (import_path(log, store), store.workload(catalog))[1])
        context = CandidateContext(
            product="growth", catalog=catalog, workload=workload, probe=probe
        )
        searched, found = _timed(lambda: find(context, KINDS))
    store.close()
    return read, searched, len(found.candidates)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def _series(what: str, sizes: Sequence[int], times: Sequence[_Times]) -> list[Row]:
    steps = ("reading", [t[0] for t in times]), ("finding", [t[1] for t in times])
    rows = []
    for name, seconds in steps:
        shown = ", ".join(f"{n:,}: {s:.3g} s" for n, s in zip(sizes, seconds, strict=True))
        steepest = exponent(sizes, seconds)
        rows.append(
            Row(f"{name}, exponent in {what}", steepest, "", shown, f"≤ {MOST}", steepest <= MOST)
        )
    return [*rows, Row(f"ideas at {sizes[-1]:,} {what}", times[-1][2], "")]


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the larger of the fitted exponent and that of the last step; 1 is linear."""
    x, y = [math.log(n) for n in sizes], [math.log(s) for s in seconds]
    fitted = float(numpy.polyfit(x, y, 1)[0])
    return max(fitted, (y[-1] - y[-2]) / (x[-1] - x[-2]))
