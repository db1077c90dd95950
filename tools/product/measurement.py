"""What is asked of a shadow measurement and what comes back."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from tools.messages import Candidate, Interval, Message, QueryTiming, Trial
from tools.product.catalog import Catalog, schema_hash
from tools.product.workload import Workload


class ShadowSettings(Message):
    """How far a measurement may go and what counts as a win."""

    budget_seconds: float = Field(default=120.0, gt=0)
    """Of work (`tools.product.measure.Work`): on the clock at most eight times as long."""
    min_gain: float = Field(default=1.02, ge=1)
    max_insert_cost: float = Field(default=3.0, ge=1)
    max_loser_share: float = Field(default=0.25, ge=0, le=1)
    memory_limit: str = "600MB"
    """DuckDB memory of each of the two instances."""
    repetitions: int = Field(default=9, ge=3)
    """Rounds of one candidate; fewer when the answer is clear earlier, more when it nearly is."""
    insert_rows: int = Field(default=10_000, ge=1)
    query_seconds: float = Field(default=30.0, gt=0)
    reuse_seconds: float = Field(default=3600.0, ge=0)
    """How old the evidence of an interrupted measurement may be to be taken up again."""

    @property
    def longest_query(self) -> float:
        """Seconds after which a query is stopped: one that eats the whole budget proves nothing."""
        return min(self.query_seconds, self.budget_seconds)


class ShadowJob(Message):
    """One measurement: a private copy of the database and what to try on it."""

    snapshot: str
    contents: str = ""
    """Tells copies of the same contents from others."""
    evidence: str
    """Directory that keeps the raw samples."""
    catalog: Catalog
    workload: Workload
    candidates: tuple[Candidate, ...]
    settings: ShadowSettings = ShadowSettings()

    @property
    def key(self) -> str:
        """The deterministic name of this measurement: same question, same key."""
        tables = sorted(self.catalog.tables, key=lambda t: str(t.name))
        body = [
            self.catalog.engine,
            self.contents,
            schema_hash(self.catalog, [t.name for t in tables]),
            [(t.name.sql, t.rows) for t in tables],
            sorted((c.id, c.aside) for c in self.candidates),
            sorted((p.fingerprint, p.sql, p.runs) for p in self.workload.patterns),
            sorted(self.workload.writes.items()),
            self.settings.model_dump(mode="json"),
        ]
        return "m" + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:15]


class QueryBaseline(Message):
    """One query as it runs today; with `error` it is left out of the measurement."""

    fingerprint: str
    ms: Interval | None = None
    samples: tuple[float, ...] = ()
    rows: int = 0
    row_groups: int | None = None
    error: str | None = None


class MeasureResult(Message):
    """The verdict on every candidate and the gain of the chosen set."""

    baseline: tuple[QueryBaseline, ...] = ()
    trials: tuple[Trial, ...] = ()
    chosen: tuple[str, ...] = ()
    total: Interval | None = None
    """Whole workload before / after with all chosen; none when nothing was chosen."""
    queries: tuple[QueryTiming, ...] = ()
    """The whole workload with the chosen set against the original."""
    skipped: tuple[str, ...] = ()
    """Queries left out, each with the reason."""
    spent_seconds: float = 0.0
    peak_memory_bytes: int = 0
    reference: str = ""
