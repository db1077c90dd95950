from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from evals.oracle.case import Judgement
from evals.products import make_best, read_judgement, texts_after
from evals.scenarios import tiny
from evals.scenarios.scenario import Best, ScenarioFailed
from tools.messages import RewriteQuery, TableName


def ended(code: int, said: bytes = b"", wrong: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.CompletedProcess([], code, said, wrong)


def test_a_judgement_crosses_the_process() -> None:
    judgement = Judgement(verdict="good", reason="faster")
    assert read_judgement(ended(0, judgement.model_dump_json().encode())) == judgement


def test_an_engine_that_dies_on_the_changed_product_is_harm() -> None:
    assert read_judgement(ended(-11)).verdict == "harmful"


def test_an_oracle_that_fails_has_not_decided() -> None:
    found = read_judgement(ended(1, wrong=b"Traceback\nOSError: no space\n"))
    assert (found.verdict, found.reason) == (
        "undecided",
        "the oracle failed: OSError: no space",
    )


def test_a_text_is_found_whatever_its_spaces() -> None:
    change = RewriteQuery(
        table=TableName(name="t"), fingerprint="q", rule="r", original="SELECT 1 ;", rewritten="x"
    )
    assert texts_after([change]) == {"SELECT 1": "x"}


def test_a_best_product_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    scenario = tiny.build(1, tmp_path)
    with pytest.raises(ScenarioFailed, match="nowhere"):
        make_best(scenario.database, Best(("DROP TABLE nowhere",)), tmp_path / "best.duckdb")
