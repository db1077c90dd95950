"""A small product on disk, the real `pillion` command on it, and what must hold after any crash."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import psutil

from graph.ledger import Ledger
from tests.forked import run_forked
from tests.products import CASTS, FEW_ROWS, make_product
from tools.outcome_status import IN_PLACE

KILLED = -9
# Numbers and groups of all regions but the west, and a check that text alone answers from its
# bounds: what is gained today is lost once all is in the west.
GROUPED = """
SELECT status, region, count(*) AS n, sum(id) AS ids, min(id) AS first, max(id) AS last
  FROM sales WHERE region < 'west' GROUP BY status, region ORDER BY status, region;
SELECT region, count(*) AS n, sum(id) AS ids, min(id) AS first, max(id) AS last
  FROM sales WHERE region < 'west' GROUP BY region ORDER BY region;
"""


@dataclass(frozen=True)
class Flow:
    """One product and its home below `root`."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """What its commands find in the environment."""

    @property
    def home(self) -> Path:
        """All of Pillion's state."""
        return self.root / "home"

    @property
    def database(self) -> Path:
        """The product's file."""
        return self.home / "products" / "sales" / "sales.duckdb"

    def pillion(
        self, *arguments: str, crash_at: str = "", once: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, or to its death at a crash point."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PILLION_")}
        own = {"PILLION_HOME": str(self.home), "PILLION_BUDGET_SECONDS": "60"}
        environment = {**clean, **own, **self.settings}
        if crash_at:
            environment["PILLION_CRASH_AT"] = crash_at
        if once:
            environment["PILLION_CRASH_ONCE"] = str(self.crashed)
        with tempfile.TemporaryDirectory(prefix="pillion-crash-") as scratch:
            output = Path(scratch)
            command = [*arguments, "--json"]
            code = run_forked(command, environment, output, seconds=110)
            said = [(output / name).read_text() for name in ("out", "err")]
        return subprocess.CompletedProcess(command, code, *said)

    @property
    def crashed(self) -> Path:
        """Made by the process that died, where only the first one does."""
        return self.root / "crashed"

    def json(self, *arguments: str) -> Any:
        """Run the command without a crash and return what it says."""
        done = self.pillion(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def copy(self, target: Path) -> Flow:
        """Return the same product and home in another place."""
        shutil.copytree(self.root, target)
        return replace(self, root=target)

    def offered(self, kind: str = "change_type") -> str:
        """Return the id of the one change of its kind that is offered."""
        found = self.select(f'SELECT id FROM proposals WHERE body LIKE \'%"kind":"{kind}"%\'')
        assert len(found) == 1, found
        return str(found[0][0])

    def waiting(self) -> set[str]:
        """Return the proposals without an answer, after the recovery each command begins with."""
        return {offer["id"] for offer in self.json("review")}

    def changes(self) -> dict[str, str]:
        """Return the status of every change by the product's own ledger."""
        with duckdb.connect(str(self.database), read_only=True) as con:
            tables = con.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'pillion'"
            ).fetchall()
            if tables == [(0,)]:
                return {}
            return dict(con.execute("SELECT proposal_id, status FROM pillion.changes").fetchall())

    def rows(self) -> list[tuple[Any, ...]]:
        """Return count and hash of all rows, whatever their types and order."""
        with duckdb.connect(str(self.database), read_only=True) as con:
            return con.execute(
                "SELECT count(*), sum(hash(id, amount::VARCHAR, region, status)) FROM sales"
            ).fetchall()

    def amount_type(self) -> str:
        """Return how the amounts are stored."""
        with duckdb.connect(str(self.database), read_only=True) as con:
            return str(con.execute("SELECT typeof(amount) FROM sales LIMIT 1").fetchall()[0][0])

    def select(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the agent's ledger."""
        # Left to the collector, a connection takes the journal away while the folder is copied.
        with closing(sqlite3.connect(self.home / "ledger.db")) as con, con:
            return con.execute(sql).fetchall()


def make_flow(root: Path, queries: str = CASTS, rows: int = FEW_ROWS) -> Flow:
    """Register a product of sales whose amounts are text."""
    flow = Flow(root)
    # Inside the product's folder, so that the descriptor's paths are relative and it can be copied.
    flow.database.parent.mkdir(parents=True)
    make_product(flow.database.parent, flow.home, rows=rows, queries=queries)
    return flow


def check_whole(flow: Flow, rows: list[tuple[Any, ...]]) -> None:
    """Assert what holds after every recovery, wherever the crash was."""
    assert flow.rows() == rows
    with closing(Ledger(flow.home / "ledger.db")) as ledger:
        assert ledger.verify().ok
    assert flow.select("SELECT id FROM threads WHERE status = 'running'") == []
    assert flow.select("SELECT seq FROM outbox WHERE delivered_at IS NULL") == []
    assert flow.select("SELECT * FROM undo_requests") == []
    assert list((flow.home / "products" / "sales" / "shadow").glob("snapshot-*")) == []
    assert list((flow.home / "products" / "sales" / "evidence").glob("*.tmp")) == []
    assert ledgers_agree(flow)
    assert left_running(flow) == []


def ledgers_agree(flow: Flow) -> bool:
    """Return whether agent and product say the same about every change."""
    said = dict(flow.select("SELECT proposal_id, status FROM outcomes ORDER BY at, rowid"))
    words = dict.fromkeys(IN_PLACE, "applied")
    return {k: words.get(v, v) for k, v in said.items()} == flow.changes()


def left_running(flow: Flow) -> list[list[str]]:
    """Return the commands of processes that still work on this home, after a moment's grace."""

    def mine() -> list[psutil.Process]:
        return [p for p in psutil.process_iter(["cmdline"]) if _names(p, flow.root)]

    _, alive = psutil.wait_procs(mine(), timeout=10)
    return [p.info["cmdline"] for p in alive]


def _names(process: psutil.Process, root: Path) -> bool:
    return any(str(root) in part for part in process.info["cmdline"] or ())
