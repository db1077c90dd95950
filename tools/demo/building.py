"""Shared by the demo products: a file appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from tools.product.errors import DiskFull

Progress = Callable[[str, float], None]
"""Called with what is being done and how much of the whole is done, 0..1."""


SUFFIX = ".building"


@contextlib.contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """Give a scratch directory beside `path`, on the same disk, and remove it afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sweep(path: Path) -> None:
    """Remove the scratch directories that killed builders left; nobody may be building `path`."""
    for scratch in path.parent.glob(f".{path.name}.*{SUFFIX}"):
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def whole_database(scratch: Path, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a new database in `scratch`; move it to `path` when the block ends without error."""
    building = scratch / "building.duckdb"
    with duckdb.connect(str(building)) as con:
        yield con
        con.execute("CHECKPOINT")
    with building.open("rb+") as handle:
        os.fsync(handle.fileno())
    os.replace(building, path)


def require_space(path: Path, needed: int) -> None:
    """Raise DiskFull unless `needed` bytes are free on the disk of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise DiskFull(
            f"{path.parent} has {free / 1e6:.0f} MB free and this needs {needed / 1e6:.0f} MB.",
            hint="Free some space, or choose another directory or a smaller scale.",
        )
