"""`pillion model train --tune` and `pillion model report`: tuned, killed, listed, compared."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.cli.model_report import show
from api.model_words import headline
from tests.answers import make_export
from tests.commands import document, invoke, refusal, started
from tests.models import ANSWERS, make_gguf, make_weights
from tools.slm import fitting, training
from tools.slm.criteria.results import ModelReport
from tools.slm.tuning import learning

pytestmark = pytest.mark.xdist_group("mlx")
TUNE = ("model", "train", "--tune", "--minutes", 0.02, "--decisions")


def exported(path: Path, count: int) -> Path:
    path.write_bytes(make_export(count))
    return path


@pytest.fixture(scope="module")
def quick() -> Any:
    """Let judges be learned in one way only."""
    way = fitting.Candidate("trees", partial(fitting.fit_trees, 12, 2))
    with pytest.MonkeyPatch.context() as patch:
        for module in (fitting, learning, training):
            patch.setattr(module, "candidates", lambda: [way])
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, quick: None) -> tuple[Path, Path, Any]:
    """Return a home whose tuning was killed and went on, its answers, and what it printed."""
    folder = tmp_path_factory.mktemp("tuned")
    home, answers = folder / "home", exported(folder / "answers.json", 80)
    document(home, "model", "convert", make_gguf(folder / "t.gguf", context=2048, merges=ANSWERS))
    invoke(home, "model", "use", "t")
    with started(home, *TUNE, answers, PILLION_CRASH_AT="slm.tuning.kept") as killed:
        assert killed.wait(100) == -9, killed.stderr.read()
    return home, answers, document(home, *TUNE, answers)


@pytest.fixture(scope="module")
def compared(made: tuple[Path, Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    home, answers, _ = made
    page = tmp_path_factory.mktemp("page") / "models.html"
    found = document(home, "model", "report", "--decisions", answers, "--html", page)
    return ModelReport.model_validate(found), page.read_text()


def test_one_that_was_killed_goes_on_and_says_how_it_compares(
    made: tuple[Path, Path, Any],
) -> None:
    home, _, found = made
    assert found["resumed_at"] > 0 and found["base"] == "t"
    assert found["comparison"]["against"] == "judge" and found["verdict"]
    assert not list((home / "models" / "training").iterdir())


def test_an_adapter_is_listed_shown_and_does_not_rank(made: tuple[Path, Path, Any]) -> None:
    home, _, found = made
    listed = document(home, "model", "list")
    (adapter,) = listed["adapters"]
    assert adapter["id"] == found["id"] and adapter["memory"] > 150_000_000
    said = invoke(home, "model", "list").stdout
    assert f"{found['id']}  adapter" in said and said.count("MB in memory") == 2
    card = invoke(home, "model", "show", found["id"]).stdout
    assert "# t, tuned on answers" in card and "## What ships" in card
    assert "Loaded with t: about 150 MB in memory." in card
    shown = document(home, "model", "show", found["id"])
    assert shown["base"] == "t" and shown["memory"] == adapter["memory"]
    assert "does not rank" in refusal(invoke(home, "model", "use", found["id"]))
    assert "no adapter" in refusal(invoke(home, "model", "show", "a0123456789ab"))


def test_one_over_another_base_or_damaged_is_refused_and_reported_as_such(
    made: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    home, adapter = Path(shutil.copytree(made[0], tmp_path / "home")), made[2]["id"]
    other = make_gguf(
        tmp_path / "t.gguf", weights=make_weights(9, ANSWERS), context=2048, merges=ANSWERS
    )
    document(home, "model", "convert", other)
    assert "not over t as it is now" in refusal(invoke(home, "model", "show", adapter))
    weights = home / "models" / "adapters" / adapter / "adapters.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    assert "cut off" in refusal(invoke(home, "model", "show", adapter))
    found = document(home, "model", "report")
    said = {c["name"]: c["missing"] for c in found["candidates"]}
    assert "other answers" in said[f"t, tuned {adapter}"] and not said["t, untuned"]


def test_every_candidate_is_compared_on_every_criterion(compared: Any, made: Any) -> None:
    found, _ = compared
    adapter = made[2]["id"]
    assert [c.name for c in found.candidates] == [
        "rules", "judge", f"taught by tuned {adapter}", "t, untuned", "t, untuned, 6 examples",
        f"t, tuned {adapter}",
    ]  # fmt: skip
    for c in found.candidates:
        assert {"auc", "brier", "accuracy"} <= set(c.quality) and c.cost and not c.missing, c.name
        assert c.cost.memory > 10_000_000 and c.cost.p95_ms >= c.cost.p50_ms > 0
    rules, judge, *_, tuned = found.candidates
    assert judge.injection.tried == rules.injection.tried == 0
    assert tuned.injection.tried == 90 and not tuned.injection.reads_text
    assert tuned.disk > rules.disk == 0 and tuned.deployment.packages > 0
    assert [p.answers for p in judge.curve][0] == 40 and len(judge.curve) >= 2
    assert found.dataset and found.missing == () and "judge has the lowest" in headline(found)


def test_the_page_shows_table_and_pictures_and_runs_nothing(compared: Any) -> None:
    _, page = compared
    assert page.count("<svg") == 2 and "<table>" in page and "<script" not in page
    assert "Learning" in page and "6 examples" in page


def test_the_terminal_shows_the_same_as_a_table_and_a_chart(
    compared: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    show(compared[0])
    said = capsys.readouterr().out
    assert "AUC with its 95 % interval" in said and "●" in said
    assert "reads no text" in said and "t, untuned, 6 examples" in said


def test_without_answers_and_models_the_report_says_what_is_missing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = document(home, "model", "report")
    assert [c["name"] for c in found["candidates"]] == ["rules"]
    assert "Nobody has answered" in found["missing"][0]
    assert "`pillion model fetch`" in found["missing"][1]
    few = document(home, "model", "report", "--decisions", exported(tmp_path / "few.json", 10))
    assert "too few" in few["missing"][0] and few["answers"] == 10


def test_tuning_needs_a_model_and_enough_answers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    answers = exported(tmp_path / "few.json", 10)
    assert "No language model is chosen" in refusal(invoke(home, *TUNE, answers))
    document(home, "model", "convert", make_gguf(tmp_path / "t.gguf"))
    said = refusal(invoke(home, *TUNE, answers, "--base", "t"))
    assert "too few to learn from" in said
    assert "There is no model 'u'" in refusal(invoke(home, *TUNE, answers, "--base", "u"))
