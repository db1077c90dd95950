"""The distribution: our module names are ours alone, and the wheel works on its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from nodes.context import VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[2:]:
    package = importlib.import_module(name)
    assert package.__file__.startswith(sys.argv[1]), package.__file__
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from api.cli.main import app
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    out = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--wheel", "--out-dir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (archive,) = out.glob("pillion-*.whl")
    with zipfile.ZipFile(archive) as held:
        held.extractall(out / "unpacked")
    return out / "unpacked"


def test_every_package_of_ours_is_in_the_distribution() -> None:
    tracked = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert tracked == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_provides_a_module_named_like_ours(package: str) -> None:
    assert set(packages_distributions().get(package, ())) <= {PROJECT["project"]["name"]}
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin == str(ROOT / package / "__init__.py")


def test_agents_act_under_the_version_of_the_distribution() -> None:
    assert PROJECT["project"]["version"] == VERSION


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    ours = [p for name in PACKAGES for p in (ROOT / name).rglob("*") if p.is_file()]
    wanted = {p.relative_to(ROOT) for p in ours if "__pycache__" not in p.parts}
    packed = {p.relative_to(wheel) for p in wheel.rglob("*") if p.is_file()}
    assert {Path("graph/ledger_schema.sql"), Path("tools/demo/queries/flights.sql")} <= wanted
    assert {p for p in packed if not p.parts[0].endswith(".dist-info")} == wanted


def test_the_wheel_may_not_be_uploaded_and_brings_the_command(wheel: Path) -> None:
    (info,) = wheel.glob("*.dist-info")
    assert "Classifier: Private :: Do Not Upload\n" in (info / "METADATA").read_text()
    assert "pillion = api.cli.entry:main" in (info / "entry_points.txt").read_text()


def test_the_wheel_imports_from_anywhere_without_the_source_tree(wheel: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(wheel), *PACKAGES], cwd="/",
        env={**os.environ, "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
