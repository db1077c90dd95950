"""Who asks a product's queries: names drawn by lot, so that a bias towards some would show.

Only where the log names nobody: who is named asks for other things than the others, and a
difference would show nothing. The names are noted as the tap notes them, before the advisor first
looks.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tools.messages import Proposal
from tools.product.workload_store import WorkloadStore

AUTHORS = ("amara", "björn", "etl-service", "wei")
"""People of several names, and a machine."""


def note_authors(workload: Path, seed: int) -> dict[str, str]:
    """Draw an author for each text of a workload that nobody is named for; return them by text."""
    rng = random.Random(seed)
    with closing(WorkloadStore(workload)) as store, store.transaction() as con:
        unnamed = "SELECT sql FROM texts WHERE hash NOT IN (SELECT hash FROM callers) ORDER BY sql"
        texts = [sql for (sql,) in con.execute(unnamed)]
        found = {sql: rng.choice(AUTHORS) for sql in texts}
        con.executemany(
            "INSERT INTO callers SELECT hash, ?, runs FROM texts WHERE sql = ?",
            [(author, sql) for sql, author in found.items()],
        )
    return found


def author_of(proposal: Proposal, authors: Mapping[str, str]) -> str:
    """Return who asks most of what a proposal was measured with; empty where nobody is known."""
    shares: dict[str, float] = defaultdict(float)
    for query in proposal.evidence.queries:
        if query.sql in authors:
            shares[authors[query.sql]] += query.share
    return max(shares, key=lambda name: shares[name], default="")
