"""The TPC data generator: standard benchmark tables at a chosen scale, as Parquet files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tools.product.errors import ProductError

Benchmark = Literal["tpch", "tpcds"]
_NAME = "tpcgen-cli"
_TIMEOUT_SECONDS = 3600


def generate(
    benchmark: Benchmark, directory: Path, scale: float, tables: Sequence[str] = ()
) -> None:
    """Write `TABLE.parquet` files into `directory`, of every table where none is named.

    Raises `ProductError` when the generator is missing or fails.
    """
    command = [generator(), benchmark, "parquet", "-s", f"{scale:g}", f"--output-dir={directory}"]
    command += ["--quiet", *(f"--tables={table}" for table in tables)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProductError(f"{_NAME} did not finish: {error}.") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise ProductError(
            f"{_NAME} failed with exit code {done.returncode}: {said or 'it said nothing'}.",
            hint="Check the free disk space, or try a smaller scale.",
        )


def generator() -> str:
    """Return the path of the generator, this environment's own before any other."""
    found = shutil.which(_NAME, path=str(Path(sys.executable).parent))
    found = found or shutil.which(_NAME, path=str(Path(sys.prefix) / "bin"))
    found = found or shutil.which(_NAME)
    if found is None:
        raise ProductError(f"{_NAME} is not installed.", hint="Run `uv sync` first.")
    return found
