"""Run the real `pillion` command in a home of its own, watching time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil

from evals.benchmarks.report import BenchmarkFailed

SAMPLE_SECONDS = 0.1
TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True)
class Outcome:
    """What a run of the command said and cost."""

    thread: str
    proposals: tuple[tuple[str, str], ...]
    """Kind and target, in the order they were offered."""
    statuses: tuple[str, ...]
    """What became of each proposal: verified, rolled_back, ... or waiting."""
    seconds: float
    peak_bytes: int
    """Resident memory of all processes together, pages shared between them counted in each."""


@dataclass(frozen=True)
class Finished:
    """One command's answer and cost."""

    answer: dict[str, Any]
    seconds: float
    peak_bytes: int


@contextlib.contextmanager
def home() -> Iterator[Path]:
    """Give an empty directory for all state of one run, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="pillion-bench-") as directory:
        yield Path(directory)


def pillion(directory: Path, *arguments: str) -> Finished:
    """Run `pillion ARGUMENTS --json` with its home in `directory`; raises `BenchmarkFailed`."""
    command = [str(Path(sys.executable).with_name("pillion")), *arguments, "--json"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PILLION_")}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        child = psutil.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**clean, "PILLION_HOME": str(directory / "home")},
        )  # fmt: skip
        peak = _watch(child, started)
        seconds = time.monotonic() - started
        said = _text(out)
        # A change that is not in place is an answer, too: it has a code of its own.
        if not said:
            raise BenchmarkFailed(f"pillion {' '.join(arguments)} failed: {_text(err)[-300:]}")
        return Finished(json.loads(said), seconds, peak)


def outcome_of(finished: Finished) -> Outcome:
    """Read the JSON of `pillion demo` and `pillion run`."""
    offers = finished.answer["proposals"]
    return Outcome(
        thread=finished.answer["thread"],
        proposals=tuple((offer["kind"], offer["target"]) for offer in offers),
        statuses=tuple(
            offer["outcomes"][-1]["status"] if offer.get("outcomes") else "waiting"
            for offer in offers
        ),
        seconds=finished.seconds,
        peak_bytes=finished.peak_bytes,
    )


def _watch(child: psutil.Popen, started: float) -> int:
    """Sample until the child ends; return the most memory its tree held."""
    peak = 0
    try:
        while child.poll() is None:
            peak = max(peak, _resident(child))
            if time.monotonic() - started > TIMEOUT_SECONDS:
                raise BenchmarkFailed(f"no end after {TIMEOUT_SECONDS:.0f} s")
            time.sleep(SAMPLE_SECONDS)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return peak


def _resident(child: psutil.Popen) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (child, *child.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def _text(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read().strip()
