"""Running a suite under Inspect, resuming one that was interrupted, reading what it left."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from inspect_ai import eval as inspect_eval
from inspect_ai import eval_retry
from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log
from pydantic import ValidationError

from evals import tasks
from evals.errors import EvalError, NoResult
from evals.results import ScenarioResult, SuiteResult

QUIET: dict[str, Any] = {
    "display": "none", "log_level": "warning", "log_buffer": 1, "ctl_server": False,
    "fail_on_error": False, "max_samples": tasks.PARALLEL,
}  # fmt: skip
"""Every finished sample is written at once, so that a killed run loses only what it was at."""
UNREADABLE = (ValidationError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
"""What Inspect and JSON raise of a file that is cut off or something else."""
SCORER = "oracle_verdict"


def run(suite: str, arguments: dict[str, Any], log_dir: Path) -> Path:
    """Run a suite and return its log; raises KeyboardInterrupt when it was stopped."""
    task = f"{Path(tasks.__file__)}@{suite}"
    return _finished(
        inspect_eval(task, model=None, task_args=arguments, log_dir=str(log_dir), **QUIET)
    )


def resume(log_dir: Path) -> Path:
    """Go on with the newest run; raises `NoResult` when it is finished already."""
    newest = newest_log(log_dir)
    try:
        log = read_eval_log(str(newest), header_only=True)
    except UNREADABLE as exc:
        raise NoResult(f"{newest} cannot be read; move it away and run again.") from exc
    if log.status == "success":
        raise NoResult(f"{newest} is finished; there is nothing to resume.")
    return _finished(eval_retry(str(newest), log_dir=str(log_dir), **QUIET))


def _finished(logs: list[EvalLog]) -> Path:
    # Inspect returns nothing of a run that was stopped before it could end it.
    if not logs or logs[0].status == "cancelled":
        raise KeyboardInterrupt
    (log,) = logs
    if log.status != "success":
        raise EvalError(f"The run ended early: {log.error.message if log.error else log.status}")
    return Path(log.location.removeprefix("file://"))


def newest_log(log_dir: Path) -> Path:
    """Return the newest log; raises `NoResult`."""
    found = list_eval_logs(str(log_dir)) if log_dir.is_dir() else []
    if not found:
        raise NoResult(f"There is no run in {log_dir} yet; `pillion eval run` makes one.")
    return Path(found[0].name.removeprefix("file://"))


def read_result(path: Path) -> SuiteResult:
    """Read a log of Inspect, or the JSON of a result; raises `NoResult`."""
    if not path.is_file():
        raise NoResult(f"There is no file {path}; check the path.")
    try:
        if path.suffix == ".eval":
            return from_log(read_eval_log(str(path)))
        held = json.loads(path.read_bytes())
        kept = {key: held[key] for key in SuiteResult.model_fields if key in held}
        return SuiteResult.model_validate(kept)
    except UNREADABLE as exc:
        raise NoResult(f"{path} holds no result of `pillion eval run`.") from exc


def from_log(log: EvalLog) -> SuiteResult:
    """Return the result inside a log; raises KeyError when it is another task's."""
    about = log.eval.metadata or {}
    scenarios = tuple(_scenario(sample, about["approver"]) for sample in log.samples or ())
    return SuiteResult(
        suite=about["suite"],
        approver=about["approver"],
        complete=len(scenarios) == about["scenarios"],
        scenarios=scenarios,
    )


def _scenario(sample: EvalSample, approver: str) -> ScenarioResult:
    """Return a sample's result; one that broke down is a failure, never a gap."""
    found = (sample.scores or {}).get(SCORER)
    if found is not None and found.metadata:
        return ScenarioResult.model_validate(found.metadata[tasks.RESULT])
    said = sample.error.message if sample.error else "it was not scored"
    return ScenarioResult(
        family=sample.metadata["family"],
        seed=sample.metadata["seed"],
        expects="open",
        approver=approver,
        failure=f"the suite failed: {said}",
    )
