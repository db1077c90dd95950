"""A SQLite file with one schema and one format number (WAL): opening it, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from graph.errors import StateTooNew
from tools.failpoints import crash_point
from tools.roll_back import roll_back
from tools.write_ahead import use_write_ahead_log


class SqliteFile:
    """One connection to a file that is made when it is missing and brought up to its format."""

    schema: ClassVar[str]
    version: ClassVar[int]
    """Format of the file (PRAGMA user_version); a change of the schema raises it."""
    upgrades: ClassVar[Mapping[int, tuple[str, str]]] = {}
    """What else brings a file of that format one further: before and after the schema is made."""
    synchronous: ClassVar[str] = "FULL"
    """FULL survives a power cut, NORMAL the death of the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._con = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._name = path.stem
        try:
            self._prepare(path)
        except BaseException:
            self._con.close()
            raise

    def _prepare(self, path: Path) -> None:
        version = self._con.execute("PRAGMA user_version").fetchone()[0]
        if version > self.version:
            raise StateTooNew(path, version, self.version)
        # Counts for a new file only: what is deleted later can be given back in short steps.
        self._con.execute("PRAGMA auto_vacuum=INCREMENTAL")
        use_write_ahead_log(self._con)
        self._con.execute(f"PRAGMA synchronous={self.synchronous}")
        if version < self.version:
            past = range(version or self.version, self.version)
            steps = [self.upgrades[v] for v in past if v in self.upgrades]
            before = " ".join(first for first, _ in steps)
            after = " ".join(last for _, last in steps)
            self._con.executescript(
                f"BEGIN IMMEDIATE; {before} {self.schema} {after}"
                f" PRAGMA user_version = {self.version}; COMMIT;"
            )

    @property
    def written_elsewhere(self) -> int:
        """A number that is another one after somebody else wrote to the file."""
        found: int = self._con.execute("PRAGMA data_version").fetchone()[0]
        return found

    def close(self) -> None:
        """Release the file."""
        self._con.close()

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Have all that the block reads be as it was at one moment, whatever others write."""
        self._con.execute("BEGIN")
        try:
            yield
        finally:
            roll_back(self._con)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._con.execute("BEGIN IMMEDIATE")
        try:
            yield self._con
            crash_point(f"{self._name}.before_commit")
            self._con.execute("COMMIT")
        except BaseException:
            roll_back(self._con)
            raise
        crash_point(f"{self._name}.after_commit")
