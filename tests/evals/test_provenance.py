from __future__ import annotations

from pathlib import Path

import pytest

from evals import apart
from evals.options import Options
from evals.provenance import PACKAGES, code_state
from evals.results import ScenarioResult
from evals.suites import Place
from tests.evals.factories import make_scenario
from tests.test_code import PACKAGES as SHIPPED


def test_everything_that_is_shipped_counts() -> None:
    assert sorted(PACKAGES) == sorted(SHIPPED)


def test_a_state_changes_with_any_source_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    source = tmp_path / "evals" / "a.py"
    source.write_text("A = 1\n")
    first = code_state(tmp_path)
    (tmp_path / "notes.py").write_text("")
    (tmp_path / "evals" / "a.pyc").write_text("")
    assert code_state(tmp_path) == first
    source.write_text("A = 2\n")
    second = code_state(tmp_path)
    source.rename(tmp_path / "evals" / "b.py")
    assert len({first.identity, second.identity, code_state(tmp_path).identity}) == 3


def test_a_checkout_is_named_by_git_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\necho 1a2b3c-dirty\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_state(tmp_path).commit == ""
    (tmp_path / ".git").mkdir()
    state = code_state(tmp_path)
    assert f"at 1a2b3c-dirty (sources {state.sources[:12]}, DuckDB" in str(state)
    git.unlink()
    assert code_state(tmp_path) == state.model_copy(update={"commit": ""})


async def test_a_scenario_is_kept_with_what_was_asked_and_what_played_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(family: str, seed: int, options: Options, scratch: Path) -> ScenarioResult:
        return make_scenario(family=family, seed=seed)

    monkeypatch.setattr(apart, "play", play)
    options = Options(baselines=("rules",))
    found = await apart.play_recorded(Place("tiny", 2), options, tmp_path)
    assert (found.options, found.code) == (options, code_state())
    assert ScenarioResult.model_validate_json(found.model_dump_json()) == found
