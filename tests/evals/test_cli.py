from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evals import apart
from evals.options import Options
from evals.results import ScenarioResult, SuiteResult
from evals.suites import Place, places
from evals.views import document as document_of
from tests.commands import document, invoke, refusal
from tests.evals.factories import make_result, make_scenario


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def saved(path: Path, result: SuiteResult) -> Path:
    path.write_text(json.dumps(document_of(result)))
    return path


def pretend(monkeypatch: pytest.MonkeyPatch, *verdicts: str) -> None:
    async def play(place: Place, options: Options) -> ScenarioResult:
        return make_scenario(
            *verdicts,  # type: ignore[arg-type]
            family=place.family, seed=place.seed, approver=options.approver,
        )  # fmt: skip

    monkeypatch.setattr(apart, "play_apart", play)


def test_what_there_is_is_listed(home: Path) -> None:
    said = invoke(home, "eval", "list").stdout
    found = document(home, "eval", "list")
    assert all(name in said for name in (*found["suites"], *found["families"]))
    assert "oracle" in found["approvers"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--suite", "quick"], "smoke, dev, full"),
        (["--family", "weather"], "raw_text"),
        (["--suite", "full", "--seed", "7"], "1000 to 1999"),
        (["--approver", "nobody"], "strict_dba"),
        (["--baseline", "luck"], "rules"),
        (["--baseline", "rules,luck"], "unmeasured"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    arguments: list[str], names: str, home: Path
) -> None:
    assert names in refusal(invoke(home, "eval", "run", *arguments), code=2)


def test_without_a_run_there_is_nothing_to_report_or_resume(home: Path) -> None:
    assert "pillion eval run" in refusal(invoke(home, "eval", "report"))
    assert "pillion eval run" in refusal(invoke(home, "eval", "run", "--resume"))


def test_a_run_is_shown_reported_and_compared(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "good", "harmful")
    ran = document(home, "eval", "run", "--suite", "dev", "--family", "tiny")
    assert ran["metrics"]["acceptance"]["value"] == 0.5
    assert Path(ran["log"]).suffix == ".eval"
    reported = document(home, "eval", "report")
    assert "log" not in reported
    assert reported["scenarios"] == ran["scenarios"]
    page = tmp_path / "page.html"
    assert "acceptance" in invoke(home, "eval", "report", "--html", page).stdout
    assert page.read_text().startswith("<!doctype html>")
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(reported))
    assert invoke(home, "eval", "compare", kept, ran["log"]).exit_code == 0


def test_the_gate_fails_on_a_significant_loss_and_says_which(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = make_result(
        *(make_scenario("good", "good", family=p.family, seed=p.seed) for p in places("smoke"))
    )
    monkeypatch.setattr("evals.gate.BASELINE", saved(tmp_path / "baseline.json", better))
    pretend(monkeypatch, "harmful", "neutral")
    result = invoke(home, "eval", "run", "--gate")
    assert result.exit_code == 1
    assert "Worse than the committed baseline: acceptance" in result.stderr
    pretend(monkeypatch, "good", "good")
    assert invoke(home, "eval", "run", "--gate").exit_code == 0


def test_the_gate_is_refused_before_anything_is_played_on_what_it_has_no_baseline_for(
    home: Path,
) -> None:
    said = refusal(invoke(home, "eval", "run", "--gate", "--thorough"), code=2)
    assert "--thorough" in said
    said = refusal(invoke(home, "eval", "run", "--suite", "dev", "--gate"), code=2)
    assert "smoke" in said


def test_the_smoke_suite_does_not_search_exhaustively(home: Path) -> None:
    assert "--suite dev" in refusal(invoke(home, "eval", "run", "--exhaustive"), code=2)


def test_an_exhaustive_search_is_asked_of_every_scenario(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    async def play(place: Place, options: Options) -> ScenarioResult:
        asked.append(options.exhaustive)
        return make_scenario(
            "good", family=place.family, seed=place.seed, approver=options.approver
        )

    monkeypatch.setattr(apart, "play_apart", play)
    document(home, "eval", "run", "--suite", "dev", "--family", "tiny", "--exhaustive")
    assert asked == [True, True, True]


def test_results_of_different_suites_are_not_compared(home: Path, tmp_path: Path) -> None:
    one = saved(tmp_path / "one.json", make_result(make_scenario()))
    two = saved(tmp_path / "two.json", make_result(make_scenario(), suite="full"))
    said = refusal(invoke(home, "eval", "compare", one, two))
    assert "smoke" in said and "full" in said


def test_results_are_pooled_into_one_that_compare_takes(home: Path, tmp_path: Path) -> None:
    parts = [
        saved(tmp_path / f"{seed}.json", make_result(make_scenario("good", seed=seed)))
        for seed in (1, 2)
    ]
    both, page = tmp_path / "both.json", tmp_path / "both.html"
    both.write_text(invoke(home, "eval", "report", *parts, "--html", page, "--json").stdout)
    assert json.loads(both.read_text())["metrics"]["acceptance"]["of"] == 2
    assert "Pooled from 2 runs." in page.read_text()
    assert invoke(home, "eval", "compare", both, both).exit_code == 0
    assert "named twice" in refusal(invoke(home, "eval", "report", parts[0], parts[0]))
    assert "raw_text:1 is in" in refusal(invoke(home, "eval", "report", parts[0], both))


def test_a_loss_between_two_results_is_an_exit_code(home: Path, tmp_path: Path) -> None:
    scenarios = [make_scenario("good", "good", seed=s) for s in range(12)]
    worse = [make_scenario("good", "harmful", seed=s) for s in range(12)]
    one = saved(tmp_path / "one.json", make_result(*scenarios))
    two = saved(tmp_path / "two.json", make_result(*worse))
    result = invoke(home, "eval", "compare", one, two, "--json")
    assert result.exit_code == 1
    found = {m["metric"]: m["verdict"] for m in json.loads(result.stdout)}
    assert found["acceptance"] == "worse"


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_file_without_a_result_is_refused_by_name(text: str, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    assert "other.json" in refusal(invoke(home, "eval", "report", path))
    assert "no file" in refusal(invoke(home, "eval", "report", tmp_path / "missing.json"))


def test_help_shows_an_example_and_does_not_wait_for_inspect(home: Path) -> None:
    assert "--json > both.json" in invoke(home, "eval", "report", "--help").stdout
    for command in ("list", "run", "report", "compare", "repeat"):
        assert f"pillion eval {command}" in invoke(home, "eval", command, "--help").stdout
    check = "import sys, api.cli.main; sys.exit('inspect_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_two_runs_say_how_far_they_agree(home: Path, tmp_path: Path) -> None:
    one = saved(tmp_path / "one.json", make_result(make_scenario("good", "good")))
    two = saved(tmp_path / "two.json", make_result(make_scenario("good", "neutral")))
    found = document(home, "eval", "repeat", one, two)
    assert (found["verdicts"]["count"], found["verdicts"]["of"]) == (1, 2)
    said = invoke(home, "eval", "repeat", one, two).stdout
    assert "apart: raw_text:1: p1: good / neutral" in said


@pytest.mark.parametrize(("flags", "thorough"), [([], True), (["--quick"], False)])
def test_what_a_run_is_asked_for_reaches_the_player(
    flags: list[str], thorough: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Options] = []

    async def play(place: Place, options: Options) -> ScenarioResult:
        asked.append(options)
        return make_scenario("good", family=place.family, seed=place.seed)

    monkeypatch.setattr(apart, "play_apart", play)
    run = ("eval", "run", "--suite", "dev", "--family", "tiny", "--seed", "1")
    result = invoke(home, *run, "--baseline", "rules,model", "--baseline", "random", *flags)
    assert result.exit_code == 0
    assert asked == [Options(baselines=("rules", "model", "random"), thorough=thorough)]
    assert "baseline model is left out: no language model" in result.stderr
