"""Measuring in a child process: niced, memory-limited, gone when its parent is."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import duckdb
from pydantic import ValidationError

from tools.product.bench import Bench
from tools.product.errors import ERRORS, MeasureFailed, ProductError
from tools.product.journal import Journal
from tools.product.measure import Watchdog, Work
from tools.product.measurement import MeasureResult, QueryBaseline, ShadowJob, ShadowSettings
from tools.product.pace import SHARE, Pace, product_clock
from tools.product.search import Progress, search

__all__ = [
    "MeasureResult",
    "QueryBaseline",
    "ShadowJob",
    "ShadowSettings",
    "measure",
    "run_shadow",
]

OnEvent = Callable[[float, float, str], None]
NICE = 19
GRACE = 60.0
_POLL = 0.2
_PR_SET_PDEATHSIG = 1
_ROOT = Path(__file__).resolve().parents[2]


def run_shadow(
    job: ShadowJob, on_event: OnEvent, *, should_stop: Callable[[], bool] = lambda: False
) -> MeasureResult:
    """Measure in a child and wait for it; raises `MeasureFailed` when it ends without a result."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tools.product.shadow", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []
    readers = [
        threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True),
        threading.Thread(target=_keep, args=(child.stderr, errors), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        _send(child, job)
        return _follow(child, lines, errors, job, (on_event, should_stop))
    finally:
        child.kill()
        child.wait()


def _send(child: subprocess.Popen[str], job: ShadowJob) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin as stdin:
        stdin.write(job.model_dump_json())


def _follow(
    child: subprocess.Popen[str],
    lines: queue.Queue[str | None],
    errors: list[str],
    job: ShadowJob,
    calls: tuple[OnEvent, Callable[[], bool]],
) -> MeasureResult:
    ends = time.monotonic() + job.settings.budget_seconds * 2 / SHARE + GRACE
    while True:
        if calls[1]():
            raise MeasureFailed("The measurement was stopped.")
        if time.monotonic() > ends:
            raise MeasureFailed("The measurement overran its time budget and was stopped.")
        try:
            line = lines.get(timeout=_POLL)
        except queue.Empty:
            continue
        if line is None:
            child.wait()
            raise MeasureFailed(
                f"The measurement ended without a result (exit {child.returncode})."
                f" {' '.join(errors[-3:])}".strip(),
                hint="Run it again; finished trials are taken up.",
            )
        result = _event(line, calls[0])
        if result is not None:
            return result


def _event(line: str, on_event: OnEvent) -> MeasureResult | None:
    event: dict[str, Any] = json.loads(line)
    match event["event"]:
        case "progress":
            on_event(event["done"], event["total"], event["text"])
        case "result":
            return MeasureResult.model_validate(event["result"])
        case "error":
            raise ERRORS.get(event["code"], MeasureFailed)(event["message"])
    return None


def _pump(stream: TextIO, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _keep(stream: TextIO, errors: list[str]) -> None:
    for line in stream:
        errors.append(line.strip())
        del errors[:-20]


def measure(job: ShadowJob, progress: Progress, pace: Pace | None = None) -> MeasureResult:
    """Measure in this process; an earlier, interrupted run of the same job is taken up."""
    journal = Journal(Path(job.evidence), job.key, reuse_seconds=job.settings.reuse_seconds)
    try:
        if journal.result is not None:
            return journal.result
        bench = Bench(job, Watchdog(pace.rest), work=Work(pace.rested)) if pace else Bench(job)
        try:
            return search(bench, journal, progress)
        finally:
            bench.close()
    finally:
        journal.close()


def main() -> None:
    """Read a job on stdin, measure it, and write events as JSON lines."""
    os.nice(NICE)
    parent = int(sys.argv[1])
    _die_with(parent)
    try:
        job = ShadowJob.model_validate_json(sys.stdin.read())
        pace = Pace(product_clock(parent))
        result = measure(job, partial(_progress, pace), pace)
        _say({"event": "result", "result": result.model_dump(mode="json")})
    except ProductError as exc:
        _say({"event": "error", "code": exc.code, "message": str(exc)})
    except (duckdb.Error, OSError, ValidationError) as exc:
        message = f"The measurement failed: {exc}"
        _say({"event": "error", "code": MeasureFailed.code, "message": message})


def _progress(pace: Pace, done: float, total: float, text: str) -> None:
    _say({"event": "progress", "done": done, "total": total, "text": f"{text}{pace.note}"})


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _die_with(parent: int) -> None:
    """End this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
