"""Which state of the code played a scenario, so that only what one state did is pooled."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "evals", "graph", "mcp_servers", "nodes", "tools")
SUFFIXES = (".py", ".sql")
SHORT = 12
"""Characters of a hash that are written."""
SECONDS = 30


class CodeState(BaseModel):
    """A state of the code and the engine under it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    sources: str
    """SHA-256 of the packages' Python and SQL files, names included."""
    commit: str = ""
    """Of the checkout, with `-dirty` where a file differs from it; empty outside of one."""
    duckdb: str

    @property
    def identity(self) -> tuple[str, str]:
        """What two states have in common when they judge alike, whatever the commit is called."""
        return self.sources, self.duckdb

    def __str__(self) -> str:
        """Write it for a person."""
        at = f" at {self.commit}" if self.commit else ""
        return f"{self.version}{at} (sources {self.sources[:SHORT]}, DuckDB {self.duckdb})"


def code_state(root: Path = ROOT) -> CodeState:
    """Return the state of the code that runs now."""
    found = sha256()
    for path in _sources(root):
        data = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    return CodeState(
        version=version("pillion"),
        sources=found.hexdigest(),
        commit=_commit(root),
        duckdb=version("duckdb"),
    )


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted(p for p in (root / package).rglob("*") if p.suffix in SUFFIXES)


def _commit(root: Path) -> str:
    """Return the commit checked out; an environment that lies in some other checkout has none."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    asked = ["describe", "--always", "--dirty", f"--abbrev={SHORT}", "--exclude=*"]
    command = [git, "--no-optional-locks", "-C", str(root), *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    return done.stdout.strip()
