"""The oracle as the suite starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evals.children import module
from evals.oracle.case import Judgement
from tests.evals.oracle.planting import case_of, make_original
from tests.preforked import PYTHON


def test_a_case_is_judged_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", PYTHON)
    original = make_original(tmp_path / "original.duckdb")
    case = tmp_path / "case.json"
    dropped = case_of(original, "ALTER TABLE sales DROP amount", promised=[])
    case.write_text(dropped.model_dump_json())
    done = subprocess.run(module("evals.oracle", str(case)), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    found = Judgement.model_validate_json(done.stdout)
    assert found.verdict == "harmful" and "a query fails" in found.reason
