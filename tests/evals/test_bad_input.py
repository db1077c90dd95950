"""What may go wrong around a run is contained and said in words, and is never a pass."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from evals import apart, products, running
from evals import play as playing
from evals.errors import NoResult
from evals.metrics import measured
from evals.options import Options
from evals.play import play
from evals.products import Product
from evals.results import ScenarioResult
from evals.scenarios import tiny
from evals.scenarios.scenario import Scenario
from evals.suites import Place
from tests.commands import UNPRIVILEGED, environment, invoke, refusal
from tests.disks import fill, small_disk
from tests.evals.factories import make_scenario


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pretend(place: Place, options: Options) -> ScenarioResult:
        return make_scenario("good", family=place.family, seed=place.seed)

    monkeypatch.setattr(apart, "play_apart", pretend)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8) as found:
        yield found


def test_a_full_disk_under_the_logs_is_said_in_words(disk: Path, played: None) -> None:
    fill(disk)
    run = ("eval", "run", "--suite", "dev", "--family", "tiny", "--seed", "1")
    said = refusal(invoke(disk / "home", *run))
    assert "no space left" in said.lower()


async def test_a_disk_that_fills_up_under_a_scenario_is_that_scenarios_failure(disk: Path) -> None:
    fill(disk, leaving=1_500_000)
    found = await play("tiny", 1, Options(), disk / "scratch")
    assert "no space left" in found.failure.lower()
    assert found.proposals == ()
    assert measured([found])["failures"].count == 1


async def test_a_family_that_breaks_is_named_and_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(seed: int, directory: Path) -> Scenario:
        raise KeyError("rows")

    monkeypatch.setattr(playing, "families", lambda: {"broken": broken})
    found = await play("broken", 3, Options(approver="impatient"), tmp_path)
    assert found.failure == "family broken cannot be built from seed 3: KeyError: 'rows'"
    assert (found.name, found.approver) == ("broken:3", "impatient")


def stopped_by(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the oracle's process be killed as soon as it runs."""
    run = anyio.run_process

    async def killed(command: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
        if command[2:4] != ["-m", "evals.oracle"]:
            return await run(command, **options)
        script = f"import os; os.kill(os.getpid(), {number})"
        return await run([sys.executable, "-c", script], **options)

    monkeypatch.setattr(products.anyio, "run_process", killed)


@pytest.mark.parametrize(
    ("number", "verdict", "said"),
    [
        (signal.SIGKILL, "undecided", "the oracle was killed"),
        (signal.SIGSEGV, "harmful", "the engine dies"),
    ],
)
def test_an_oracle_that_is_killed_has_not_decided_and_one_that_crashes_has(
    number: int, verdict: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tiny.build(1, tmp_path)
    product = Product(scenario, tmp_path, scenario.database)
    stopped_by(number, monkeypatch)
    judging = products.judge_files(product, scenario.database, tmp_path / "scratch")
    found = asyncio.run(judging)
    assert (found.verdict, said in found.reason) == (verdict, True)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_log_that_was_cut_off_is_refused_by_name(kept: int, tmp_path: Path, played: None) -> None:
    arguments = {"family": "tiny", "seed": 1, "approver": "oracle", "baseline": ""}
    log = running.run("dev", arguments, tmp_path / "evals")
    data = log.read_bytes()
    log.write_bytes(data[: len(data) * kept // 3])
    with pytest.raises(NoResult, match="holds no result"):
        running.read_result(log)
    for command in (("report",), ("run", "--resume")):
        assert log.name in refusal(invoke(tmp_path, "eval", *command))


def test_a_log_that_may_not_be_read_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text("{}")
    path.chmod(0)
    command = [*UNPRIVILEGED, sys.executable, "-m", "api.cli.main", "eval", "report", str(path)]
    env = {**os.environ, **environment(tmp_path / "home")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not readable" in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert "no file" in refusal(invoke(tmp_path / "home", "eval", "report", tmp_path))


def test_a_replay_without_its_file_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    asked = ("eval", "run", "--approver", f"replay:{tmp_path / 'answers.json'}")
    said = refusal(invoke(tmp_path / "home", *asked))
    assert "answers.json" in said and "pillion log --decisions --json" in said


def test_a_model_that_cannot_be_made_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    asked = ("eval", "run", "--baseline", "model")
    said = refusal(invoke(tmp_path / "home", *asked, PILLION_EVAL_MODEL="nowhere:Model"))
    assert "PILLION_EVAL_MODEL=nowhere:Model" in said
    said = refusal(invoke(tmp_path / "home", *asked, PILLION_EVAL_MODEL_ARGUMENTS="{oops"))
    assert "PILLION_EVAL_MODEL_ARGUMENTS is not valid; give a JSON object" in said
