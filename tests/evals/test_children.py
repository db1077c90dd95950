"""What the suite starts is Pillion's own, wherever it is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evals.children import module
from tests.preforked import PYTHON


@pytest.mark.parametrize("name", ["evals.opened", "evals.oracle.writing"])
def test_a_module_of_the_working_folder_is_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("tools", "evals"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('this is not Pillion')")
    monkeypatch.setattr(sys, "executable", PYTHON)
    command = module(name, str(tmp_path / "p.duckdb"))
    done = subprocess.run(command, input=b"[]", cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
