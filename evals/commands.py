"""What the `pillion eval` commands do; loaded only when one runs, since Inspect takes a while."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals import gate, labels, repeats, running
from evals.approvers import check_approver
from evals.baselines.asking import UNCONFIGURED
from evals.baselines.model import configured, load_settings
from evals.errors import NotComparable
from evals.options import check_baselines
from evals.page import page
from evals.pooling import pool
from evals.recorded import decisions_in
from evals.results import SuiteResult
from evals.suites import places
from evals.views import (
    agreement_document,
    agreement_lines,
    document,
    lines,
    moved_document,
    moved_lines,
)
from graph.settings import Settings

REPORT = "report.html"
LOG = logging.getLogger("evals")


def log_dir() -> Path:
    """Return where runs are kept unless told otherwise."""
    return Settings().home.absolute() / "evals"


def show_progress() -> None:
    """Let each finished scenario be said on standard error."""
    LOG.handlers[:] = [logging.StreamHandler()]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def run(
    suite: str, arguments: dict[str, Any], *, again: Mapping[str, Any] | None = None
) -> tuple[Path, SuiteResult]:
    """Run a suite, or go on with the interrupted run that `again` tells; return log and result."""
    where = log_dir()
    places(suite, arguments["family"], arguments["seed"])
    check_approver(arguments["approver"])
    baselines = check_baselines([arguments["baseline"]])
    show_progress()
    if "model" in baselines and configured(load_settings()) is None:
        LOG.warning("The baseline model is left out: %s.", UNCONFIGURED)
    if again is None:
        log = running.run(suite, arguments, where)
    else:
        log = running.resume(where, again)
    return log, running.read_result(log)


def run_of(path: Path | None) -> Path:
    """Return where a run is kept: the newest by default."""
    return path or running.newest_log(log_dir())


def result_of(path: Path | None) -> SuiteResult:
    """Return a result: the newest run's by default."""
    return running.read_result(run_of(path))


def pooled(paths: Sequence[Path], *, different_code: bool) -> SuiteResult:
    """Return several results as one, the newest run's without any; raises `NotComparable`."""
    if not paths:
        return result_of(None)
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise NotComparable(f"{twice} is named twice: its scenarios would count twice.")
    found = {str(path): result_of(path) for path in paths}
    return pool(found, different_code=different_code)


def write_page(result: SuiteResult, path: Path | None) -> Path:
    """Write the report as HTML and return where it is."""
    where = path or log_dir() / REPORT
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(page(result), encoding="utf-8")
    return where


def against_baseline(result: SuiteResult) -> list[gate.Moved]:
    """Hold a result against the committed one; raises `NotComparable`."""
    return gate.compare(running.read_result(gate.BASELINE), result)


__all__ = [
    "against_baseline", "agreement_document", "agreement_lines", "decisions_in", "document", "gate",
    "labels", "lines", "log_dir", "moved_document", "moved_lines", "pooled", "repeats", "result_of",
    "run", "run_of", "show_progress", "write_page",
]  # fmt: skip
