"""Run benchmarks: `python -m evals.benchmarks [names] [--quick]`; exit code 1 when one misses."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from types import ModuleType

import duckdb

from evals.benchmarks.report import PAGE, BenchmarkFailed, Row, Section, render, write
from tools.product.errors import ProductError
from tools.slm.errors import ModelError

NAMES = ("casting", "tpch", "growth", "repeat", "tap", "service", "engines")
"""In this order; each is a module beside this one."""
FAILURES = (
    BenchmarkFailed, ModelError, ProductError, duckdb.Error, subprocess.SubprocessError, OSError,
)  # fmt: skip


def run_one(module: ModuleType, *, quick: bool) -> Section:
    """Run one benchmark; one that fails is a section that says why and does not hold."""
    started = time.monotonic()
    try:
        rows: tuple[Row, ...] = tuple(module.run(quick))
    except FAILURES as error:
        said = " ".join(str(error).split())[:300]
        rows = (Row(f"failed: {said}", 0, "", target="runs to its end", holds=False),)
    return Section(module.NAME, module.CLAIM, rows, time.monotonic() - started)


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked, print it, and write it to docs unless it was a quick look."""
    parser = argparse.ArgumentParser(prog="python -m evals.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small and rough; writes no docs")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    sections = []
    for name in asked.names or NAMES:
        sys.stderr.write(f"{name} ...\n")
        module = importlib.import_module(f"evals.benchmarks.{name}")
        section = run_one(module, quick=asked.quick)
        sys.stdout.write(render(section) + "\n\n")
        sys.stdout.flush()
        if not asked.quick:
            write([section])
        sections.append(section)
    if not asked.quick:
        sys.stderr.write(f"Written to {PAGE}\n")
    return 0 if all(section.holds for section in sections) else 1


if __name__ == "__main__":
    raise SystemExit(main())
