"""A private copy of the live database, taken under its write lock and never left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psutil

from tools.failpoints import crash_point
from tools.product.database_file import HEADER_BYTES
from tools.product.disk_space import FULL, MARGIN_BYTES, checkpoint
from tools.product.errors import DiskFull, MeasureFailed, ProductError

OWNER = "owner.json"
ROOM = "Free some space or set PILLION_HOME to a larger disk."
_COPY = "import shutil,sys\nfor a,b in zip(sys.argv[1::2],sys.argv[2::2]): shutil.copyfile(a,b)"
_CLONE = {"linux": ["cp", "--reflink=auto"], "darwin": ["cp", "-c"]}


@dataclass(frozen=True)
class Snapshot:
    """A consistent copy at `path`, in a directory of its own.

    It is called like the original, because its name is that of its catalog: by another, texts that
    name the catalog would fail, and so would those about a schema of that name.
    """

    path: Path

    @classmethod
    def take(
        cls,
        con: duckdb.DuckDBPyConnection,
        lock: AbstractContextManager[Any],
        database_path: Path,
        directory: Path,
    ) -> Snapshot:
        """Checkpoint and copy while `lock` keeps writers out; raises `DiskFull`."""
        home = directory / f"snapshot-{uuid4().hex[:12]}"
        snapshot = cls(home / "copy" / database_path.name)
        try:
            snapshot.path.parent.mkdir(parents=True)
            _sign(home)
            crash_point("snapshot.before_copy")
            with lock:
                # Where something holds it back, the write-ahead log is copied as well.
                checkpoint(con)
                copy_database(database_path, snapshot.path)
        except OSError as exc:
            snapshot.remove()
            raise _unwritable(home, exc) from exc
        except BaseException:
            snapshot.remove()
            raise
        crash_point("snapshot.after_copy")
        return snapshot

    @property
    def home(self) -> Path:
        """The directory that goes with the copy."""
        return self.path.parent.parent

    @property
    def contents(self) -> str:
        """A mark that changes with every checkpoint of changed contents, and with the log."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            digest.update(file.read(3 * HEADER_BYTES))
        log = self.path.with_name(self.path.name + ".wal")
        if log.exists():
            digest.update(log.read_bytes())
        return digest.hexdigest()[:16]

    def remove(self) -> None:
        """Delete the copy and everything a measurement made beside it."""
        shutil.rmtree(self.home, ignore_errors=True)

    @classmethod
    def sweep(cls, directory: Path) -> int:
        """Delete the snapshots of processes that are gone; returns how many there were."""
        orphans = [p for p in directory.glob("snapshot-*") if p.is_dir() and not _alive(p)]
        for home in orphans:
            shutil.rmtree(home, ignore_errors=True)
        return len(orphans)


def _sign(home: Path) -> None:
    owner = psutil.Process()
    (home / OWNER).write_text(json.dumps({"pid": owner.pid, "started": owner.create_time()}))


def _unwritable(home: Path, exc: OSError) -> ProductError:
    if exc.errno in FULL:
        return DiskFull(f"{home.parent} has no space left.", hint=ROOM)
    return MeasureFailed(
        f"No copy of the database can be made in {home.parent}: {exc.strerror}.",
        hint="Give write access, or set PILLION_HOME to another directory.",
    )


def copy_database(source: Path, target: Path) -> None:
    """Copy a database file and its write-ahead log, sharing blocks where the disk can.

    Another process does the copying: closing any descriptor of the file in this one would
    silently drop the lock by which DuckDB keeps other writers out.
    """
    pairs = [(source, target)]
    log = source.with_name(source.name + ".wal")
    if log.exists():
        pairs.append((log, target.with_name(target.name + ".wal")))
    require_space(target.parent, sum(p.stat().st_size for p, _ in pairs))
    for pair in pairs:
        _copy_file(*pair)


def require_space(directory: Path, wanted: int) -> None:
    """Raise `DiskFull` when `wanted` bytes and a margin don't fit."""
    free = shutil.disk_usage(directory).free
    if free < wanted + MARGIN_BYTES:
        raise DiskFull(
            f"{directory} has {free / 1e6:.0f} MB free; a copy of the database needs"
            f" {(wanted + MARGIN_BYTES) / 1e6:.0f} MB.",
            hint=ROOM,
        )


def _copy_file(source: Path, target: Path) -> None:
    clone = _CLONE.get(sys.platform)
    if clone is not None:
        cloned = subprocess.run([*clone, str(source), str(target)], capture_output=True)
        if cloned.returncode == 0:
            return
    plain = [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(target)]
    done = subprocess.run(plain, capture_output=True, text=True)
    if done.returncode == 0:
        return
    target.unlink(missing_ok=True)
    detail = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    if "Errno 28" in detail[0] or "Errno 122" in detail[0]:
        raise DiskFull(
            f"The disk filled up while copying {source}.",
            hint=ROOM,
        )
    raise MeasureFailed(f"{source} could not be copied: {detail[0]}")


def _alive(home: Path) -> bool:
    try:
        owner = json.loads((home / OWNER).read_text())
        process = psutil.Process(int(owner["pid"]))
        return abs(process.create_time() - float(owner["started"])) < 1
    except (psutil.NoSuchProcess, OSError, ValueError, KeyError, TypeError):
        # No readable owner: young ones may be about to write it.
        with suppress(OSError):
            return not (home / OWNER).exists() and time.time() - home.stat().st_mtime < 60
        return False
