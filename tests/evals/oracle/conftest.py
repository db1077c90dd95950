"""The original of a product, as each module makes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def original(made: Path, tmp_path: Path) -> Path:
    """A copy of the module's own product, for one test."""
    return Path(shutil.copy(made, tmp_path))
