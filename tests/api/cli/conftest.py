from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands import document, make_home


@pytest.fixture(scope="session")
def home_of_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = make_home(tmp_path_factory.mktemp("asked") / "home", rows=60_000)
    assert document(home, "run", "sales", "--budget", "30")["status"] == "waiting"
    return home


@pytest.fixture
def asked(home_of_a_run: Path, tmp_path: Path) -> Path:
    """A home whose run of `sales` waits for answers; the test may do with it what it likes."""
    return Path(shutil.copytree(home_of_a_run, tmp_path / "home"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
