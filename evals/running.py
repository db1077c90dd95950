"""Running a suite under Inspect, resuming one that was interrupted, reading what it left."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from inspect_ai import eval as inspect_eval
from inspect_ai import eval_retry
from inspect_ai.log import EvalLog, EvalLogInfo, EvalSample, list_eval_logs, read_eval_log
from pydantic import ValidationError

from evals import tasks
from evals.errors import EvalError, NoResult
from evals.options import check_baselines
from evals.play import unplayed
from evals.results import ScenarioResult, SuiteResult
from evals.suites import Place

QUIET: dict[str, Any] = {
    "display": "none", "log_level": "warning", "log_buffer": 1, "ctl_server": False,
    "fail_on_error": False, "max_samples": tasks.PARALLEL,
}  # fmt: skip
"""Every finished sample is written at once, so that a killed run loses only what it was at."""
UNREADABLE = (ValidationError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
"""What Inspect and JSON raise of a file that is cut off or something else."""
SCORER = "oracle_verdict"
NO_RUN = "There is no run in {} yet; `pillion eval run` makes one."
LOG = logging.getLogger("evals")


def run(suite: str, arguments: dict[str, Any], log_dir: Path) -> Path:
    """Run a suite and return its log; raises KeyboardInterrupt when it was stopped."""
    task = f"{Path(tasks.__file__)}@{suite}"
    with _alone(log_dir):
        return _finished(
            inspect_eval(task, model=None, task_args=arguments, log_dir=str(log_dir), **QUIET)
        )


def resume(log_dir: Path, asked: Mapping[str, Any] | None = None) -> Path:
    """Go on with the newest run that was interrupted, and asked for so; raises `NoResult`."""
    if not log_dir.is_dir():
        raise NoResult(NO_RUN.format(log_dir))
    with _alone(log_dir):
        log = interrupted(log_dir, asked or {})
        LOG.info("Going on with %s.", _path(log.location))
        with chdir(_started_in(log)):
            return _finished(eval_retry(log.location, log_dir=str(log_dir), **QUIET))


@contextmanager
def _alone(log_dir: Path) -> Iterator[None]:
    """Hold the folder: a run that is still played looks like one that was interrupted."""
    log_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(log_dir / "playing.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise EvalError(
            f"Another `pillion eval run` plays in {log_dir}. Wait for its end, or set PILLION_HOME"
            " to have runs beside each other."
        ) from exc
    try:
        yield
    finally:
        lock.release()


def interrupted(log_dir: Path, asked: Mapping[str, Any]) -> EvalLog:
    """Return what is at the head of that run's log; raises `NoResult`."""
    finished: set[str] = set()
    for info in _logs(log_dir):
        log = _head(info)
        if log.status == "success":
            finished.add(log.eval.task_id)
        elif log.eval.task_id not in finished and _asked_for(log, asked):
            return log
    told = "".join(f" of {name} {value}" for name, value in asked.items())
    raise NoResult(f"There is nothing to resume: no run{told} in {log_dir} was interrupted.")


def _head(info: EvalLogInfo) -> EvalLog:
    try:
        return read_eval_log(info, header_only=True)
    except UNREADABLE as exc:
        told = f"{_path(info.name)} cannot be read; move it away and run again."
        raise NoResult(told) from exc


def _asked_for(log: EvalLog, asked: Mapping[str, Any]) -> bool:
    """Return whether a run of ours was asked for so; Inspect makes numbers and lists of texts."""
    about = log.eval.metadata or {}
    recorded = {"suite": about.get("suite"), "exhaustive": False, **log.eval.task_args}
    return "suite" in about and all(
        _spelt(name, recorded.get(name)) == _spelt(name, value) for name, value in asked.items()
    )


def _spelt(name: str, value: Any) -> str:
    if name == "baseline":
        return ",".join(check_baselines([value] if isinstance(value, str) else value))
    return str(value)


def _started_in(log: EvalLog) -> Path:
    """Return where a run was started: Inspect keeps where the tasks lie as seen from there."""
    here, seen = Path(tasks.__file__).parts, Path(log.eval.task_file or "").parts
    return Path(*here[: -len(seen)]) if seen and here[-len(seen) :] == seen else Path.cwd()


def _finished(logs: list[EvalLog]) -> Path:
    # Inspect returns nothing of a run that was stopped before it could end it.
    if not logs or logs[0].status == "cancelled":
        raise KeyboardInterrupt
    (log,) = logs
    if log.status != "success":
        raise EvalError(f"The run ended early: {log.error.message if log.error else log.status}")
    return _path(log.location)


def newest_log(log_dir: Path) -> Path:
    """Return the newest log; raises `NoResult`."""
    return _path(_logs(log_dir)[0].name)


def _logs(log_dir: Path) -> list[EvalLogInfo]:
    """Return all logs, the newest first; raises `NoResult`. Grades lie beside them as JSON."""
    found = list_eval_logs(str(log_dir), formats=["eval"]) if log_dir.is_dir() else []
    if not found:
        raise NoResult(NO_RUN.format(log_dir))
    return found


def _path(location: str) -> Path:
    return Path(location.removeprefix("file://"))


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
    place = Place(sample.metadata["family"], sample.metadata["seed"])
    return unplayed(*place, approver, f"the suite failed: {said}")
