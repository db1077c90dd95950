"""What a candidate takes, measured in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.answers import make_judge
from tools.slm.criteria.deployment import deployment_of, machine, versions
from tools.slm.criteria.probe import Asked, measure, probe
from tools.slm.criteria.samples import made_up
from tools.slm.errors import ModelError


def test_a_process_of_its_own_is_measured_and_not_the_one_that_asks(tmp_path: Path) -> None:
    large = bytearray(os.urandom(2**16)) * 2**12
    path = tmp_path / "judge.json"
    path.write_text(make_judge(gain=1.0).model_dump_json())
    found = measure(Asked(form="judge", path=str(path), scores=8))
    assert 5_000_000 < found.memory < len(large)
    assert 0 < found.p50_ms <= found.p95_ms and found.load_ms > 0 and found.scores == 8


def test_what_lies_in_the_working_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/__init__.py").write_text("raise SystemExit('this is not Pillion')")
    monkeypatch.chdir(tmp_path)
    assert measure(Asked(form="rules", scores=4)).scores == 4


def test_rules_take_microseconds() -> None:
    assert probe(Asked(form="rules")).p50_ms < 1


def test_a_candidate_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could not be measured: .*No such file"):
        measure(Asked(form="judge", path=str(tmp_path / "nowhere.json")))


def test_made_up_proposals_are_always_the_same_and_have_no_answer() -> None:
    assert made_up(9) == made_up(20)[:9]
    assert all(-3 < e.facts.gain < 3 and not e.approved for e in made_up(50))


def test_what_is_needed_and_what_was_used_is_said_without_the_machines_name() -> None:
    assert deployment_of("rules").packages == 0
    language = deployment_of("language")
    assert language.packages > 1_000_000 and "pillion[model]" in language.needs
    for engine, extra in (("onnx", "pillion[onnx]"), ("llama", "pillion[llama]")):
        served = deployment_of("language", engine)
        assert served.needs == (extra,) and served.packages != language.packages
    assert versions()["python"].startswith("3.") and "mlx" in versions()
    assert os.uname().nodename not in str(machine())
