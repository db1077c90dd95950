"""Repetition: from scratch each time, nothing gets slower and the same ideas come out on top."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evals.benchmarks.command import home, outcome_of, pillion
from evals.benchmarks.comparing import Comparison, compare
from evals.benchmarks.report import Row
from tools.demo.flights import RUNS, build_flights, queries, write_log

NAME = "repeat"
CLAIM = (
    "Ten runs from scratch on the flights product: no accepted set makes the workload "
    "slower, no answer changes, and the same proposals come out on top each time."
)
TOP = 3
BUDGET_SECONDS = "60"


@dataclass(frozen=True)
class _Run:
    comparison: Comparison
    top: frozenset[tuple[str, str]]
    rolled_back: frozenset[tuple[str, str]]


def run(quick: bool) -> list[Row]:
    """Make the product once, improve fresh copies of it, compare each with the original."""
    repetitions = 2 if quick else 10
    with home() as directory:
        database, log = directory / "flights.duckdb", directory / "flights.log.csv"
        build_flights(database, lambda step, done: None, scale=0.1 if quick else 1.0)
        write_log(log, database)
        runs = [_once(database, log, turns=3 if quick else 9) for _ in range(repetitions)]
    ratios = [run.comparison.ratio.mid for run in runs]
    slower = sum(run.comparison.ratio.mid < 1 for run in runs)
    changed = sum(len(run.comparison.differing) for run in runs)
    (usual, times), *others = Counter(run.top for run in runs).most_common()
    named = _named(usual) + "".join(f"; {n} × instead {_named(o - usual)}" for o, n in others)
    undone = frozenset[tuple[str, str]]().union(*(run.rolled_back for run in runs))
    of = f"of {repetitions}"
    return [
        Row("runs whose accepted set made the workload slower", slower, of, "", "0", slower == 0),
        Row("smallest gain, before / after", min(ratios), "×", f"to {max(ratios):.2f}"),
        Row("answers that changed", changed, "", "", "0", changed == 0),
        Row(f"runs with the same top {TOP}", times, of, named, f"{repetitions}",
            times == repetitions),
        Row("changes rolled back on live", sum(len(run.rolled_back) for run in runs), "",
            _named(undone)),
    ]  # fmt: skip


def _named(top: frozenset[tuple[str, str]]) -> str:
    return "; ".join(sorted(f"{kind} {target}" for kind, target in top))


def _once(database: Path, log: Path, *, turns: int) -> _Run:
    with home() as directory:
        copy = directory / "flights.duckdb"
        shutil.copy(database, copy)
        named = ("--name", "flights", "--database", str(copy), "--queries", str(log))
        pillion(directory, "init", *named)
        # The demo takes a product of this name that is already there.
        done = pillion(directory, "demo", "--yes", "--budget", BUDGET_SECONDS)
        outcome = outcome_of(done)
        texts = queries()
        weights = {name: RUNS[name.partition(":")[0]] for name in texts}
        original = directory / "original.duckdb"
        shutil.copy(database, original)
        found = compare(original, copy, texts, weights, turns=turns, scratch=directory)
    ended = zip(outcome.proposals, outcome.statuses, strict=True)
    rolled_back = frozenset(proposal for proposal, status in ended if status == "rolled_back")
    return _Run(found, frozenset(outcome.proposals[:TOP]), rolled_back)
