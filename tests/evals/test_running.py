"""Runs under Inspect, with scenarios that are only pretended: the suite's own machinery is real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from evals import apart, running
from evals.apart import SuiteBroken, read_result
from evals.errors import EvalError, NoResult
from evals.labels import labels_path
from evals.metrics import measured
from evals.options import Options
from evals.results import ScenarioResult
from evals.suites import Place
from evals.views import document
from tests.evals.factories import make_judged, make_result, make_scenario

TINY: dict[str, Any] = {"family": "tiny", "seed": 0, "approver": "oracle", "baseline": ""}
KILLED = """
import os, sys
from pathlib import Path
import anyio
from evals import apart

from evals.results import ScenarioResult

async def pretend(place, options):
    if place.seed == 3:
        await anyio.sleep(2)
        os.kill(os.getpid(), 9)
    return ScenarioResult(
        family=place.family, seed=place.seed, expects="nothing", approver=options.approver
    )

apart.play_apart = pretend
from evals import running
running.run("dev", {arguments!r}, Path(sys.argv[1]))
"""


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that were played, by a pretended player."""
    seeds: list[int] = []

    async def pretend(place: Place, options: Options) -> ScenarioResult:
        seeds.append(place.seed)
        if place.seed == 2:
            raise SuiteBroken("a fault of the suite's own")
        approver = options.approver
        return make_scenario("good", family=place.family, seed=place.seed, approver=approver)

    monkeypatch.setattr(apart, "play_apart", pretend)
    return seeds


def test_a_run_is_read_back_and_what_broke_down_is_a_failure_not_a_gap(
    tmp_path: Path, played: list[int]
) -> None:
    result = running.read_result(running.run("dev", TINY, tmp_path))
    assert sorted(played) == [1, 2, 3]
    assert result.complete
    (broken,) = (s for s in result.scenarios if s.failure)
    assert broken.seed == 2 and "a fault of the suite's own" in broken.failure
    with pytest.raises(NoResult, match="nothing to resume"):
        running.resume(tmp_path)


def test_a_killed_run_goes_on_from_anywhere_without_playing_again_what_was_finished(
    tmp_path: Path, played: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = KILLED.replace("{arguments!r}", repr(TINY))
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == -9, ended.stderr
    half = running.read_result(running.newest_log(tmp_path))
    assert (half.complete, len(half.scenarios)) == (False, 2)
    monkeypatch.chdir(tmp_path)
    one = TINY | {"seed": 4}
    running.run("dev", one, tmp_path)
    for other in ({"suite": "full"}, {"seed": "4"}, {"baseline": "rules"}):
        with pytest.raises(NoResult, match="nothing to resume"):
            running.resume(tmp_path, other)
    played.clear()
    alike = {"suite": "dev", "family": "tiny", "baseline": "", "exhaustive": False}
    result = running.read_result(running.resume(tmp_path, alike))
    assert played == [3]
    assert result.complete
    assert result.covers == ("tiny:1", "tiny:2", "tiny:3")
    with pytest.raises(NoResult, match="nothing to resume"):
        running.resume(tmp_path)


def test_a_run_that_is_still_played_is_not_gone_on_with(tmp_path: Path, played: list[int]) -> None:
    running.run("dev", TINY | {"seed": 4}, tmp_path)
    with FileLock(tmp_path / "playing.lock"):
        for again in (lambda: running.resume(tmp_path), lambda: running.run("dev", TINY, tmp_path)):
            with pytest.raises(EvalError, match="Another `pillion eval run` plays in"):
                again()
    assert played == [4]


def test_what_broke_down_found_nothing_of_what_was_there(tmp_path: Path, played: list[int]) -> None:
    for family in ("tiny", "raw_text"):
        running.run("dev", TINY | {"family": family, "seed": 2}, tmp_path)
        (broken,) = running.read_result(running.newest_log(tmp_path)).scenarios
        found = measured([broken])
        if family == "tiny":
            assert found["quiet"].value == 0 and "recall" not in found
        else:
            assert (found["recall"].value, found["reach"].value, found["saved"].value) == (0, 0, 0)


def test_grades_beside_a_run_are_no_run(tmp_path: Path, played: list[int]) -> None:
    log = running.run("dev", TINY | {"seed": 1}, tmp_path)
    labels_path(log, "ada").write_text("{}")
    assert running.newest_log(tmp_path) == log


def test_there_is_no_newest_run_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(NoResult, match="pillion eval run"):
        running.newest_log(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not json"])
def test_a_file_without_a_result_is_refused(text: str, tmp_path: Path) -> None:
    for name in ("result.json", "log.eval"):
        (tmp_path / name).write_text(text)
        with pytest.raises(NoResult, match="holds no result"):
            running.read_result(tmp_path / name)


def test_a_result_is_read_from_what_report_prints(tmp_path: Path) -> None:
    result = make_result(make_scenario("good"))
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(document(result)))
    assert running.read_result(path) == result


def test_a_result_of_before_is_read_with_its_rules_as_a_baseline() -> None:
    kept = make_scenario("good").model_dump(mode="json", exclude={"baselines"})
    rules = [make_judged("harmful").model_dump(mode="json")]
    read = ScenarioResult.model_validate(kept | {"rules": rules, "found_by_rules": ["a"]})
    assert read.baselines["rules"].found == ("a",)
    assert read.baselines["rules"].changes[0].verdict == "harmful"
    none = ScenarioResult.model_validate(kept | {"rules": None, "found_by_rules": []})
    assert none == make_scenario("good")


def test_a_scenarios_process_that_dies_is_said(tmp_path: Path) -> None:
    with pytest.raises(SuiteBroken, match="ended with -11"):
        read_result(subprocess.CompletedProcess([], -11, b"", b""))
    with pytest.raises(SuiteBroken, match="no space"):
        read_result(subprocess.CompletedProcess([], 1, b"", b"Traceback\nOSError: no space\n"))


def test_a_run_that_was_stopped_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "inspect_eval", lambda task, **options: [])
    with pytest.raises(KeyboardInterrupt):
        running.run("dev", TINY, tmp_path)
