"""TPC-H: how long a run takes to its question, and how much memory all processes hold."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from evals.benchmarks.command import Outcome, home, outcome_of, pillion
from evals.benchmarks.report import Row
from tools.demo.tpch import QUERIES, build_tpch

NAME = "tpch"
CLAIM = (
    "TPC-H at scale 1 with its 22 queries: from `pillion run` to the question in 180 s or less, "
    "with 3 GB or less of resident memory of all processes together."
)
SECONDS = 180.0
GIGABYTES = 3.0


def run(quick: bool) -> list[Row]:
    """Run from scratch one or three times; the worst has to hold."""
    scale, repetitions, budget = (0.01, 1, ("--budget", "10")) if quick else (1.0, 3, ())
    with home() as directory:
        database = directory / "tpch.duckdb"
        build_tpch(database, scale, lambda step, done: None)
        runs = [_once(database, budget) for _ in range(repetitions)]
    seconds = [run.seconds for run in runs]
    memory = [run.peak_bytes / 1e9 for run in runs]
    offered = [float(len(run.proposals)) for run in runs]
    return [
        Row("from `pillion run` to the question", statistics.median(seconds), "s", _range(seconds),
            "≤ 180", max(seconds) <= SECONDS),
        Row("peak memory of all processes", statistics.median(memory), "GB", _range(memory),
            "≤ 3", max(memory) <= GIGABYTES),
        Row("proposals", statistics.median(offered), "", _range(offered)),
        Row("scale", scale, ""),
    ]  # fmt: skip


def _once(database: Path, budget: tuple[str, ...]) -> Outcome:
    with home() as directory:
        copy = directory / "tpch.duckdb"
        shutil.copy(database, copy)
        pillion(
            directory, "init", "--database", str(copy), "--queries", str(QUERIES), "--name", "tpch"
        )
        return outcome_of(pillion(directory, "run", "tpch", *budget))


def _range(values: list[float]) -> str:
    return f"{min(values):.3g}–{max(values):.3g} of {len(values)} runs" if len(values) > 1 else ""
