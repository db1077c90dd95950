"""The bench of one measurement: the present base, its queries, and scratch copies beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import duckdb

from tools.messages import Candidate, Change, CreateSummary, RewriteQuery, TableName, quoted
from tools.product import stale_summaries
from tools.product.catalog import Catalog, Table, read_catalog
from tools.product.errors import ProductError
from tools.product.guard import check_read_only, tells_structure
from tools.product.measure import (
    FETCHED_BY_ROW,
    Watchdog,
    Work,
    capture_profiled,
    open_copy,
    run_query,
)
from tools.product.measurement import QueryBaseline, ShadowJob
from tools.product.out_of_reach import reason
from tools.product.results import Answer, difference
from tools.product.snapshot import copy_database
from tools.product.statistics import interval_of, ratio_noise
from tools.product.workload import QueryPattern

BASELINE_RUNS = 5
LONG_MS = 500.0
STRUCTURE = "it tells types and how a table is made, which a change may change"
UNSEEN = 3.0
"""Inserts that nobody was seen to make may get so many times slower than others."""


@dataclass
class Query:
    """One query of the workload as the present base answers it."""

    pattern: QueryPattern
    baseline: QueryBaseline
    sql: str
    ms: float
    row_groups: int | None

    @property
    def weighted(self) -> float:
        """Milliseconds of all its runs."""
        return self.ms * self.pattern.weight


@dataclass
class Bench:
    """What every trial of one job shares; `base` holds all changes accepted so far."""

    job: ShadowJob
    watchdog: Watchdog = field(default_factory=Watchdog)
    queries: dict[str, Query] = field(default_factory=dict)
    noise: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    work: Work = field(default_factory=Work)

    def __post_init__(self) -> None:
        self.base_path = Path(self.job.snapshot)
        self.base = open_copy(self.base_path, self.job.settings.memory_limit)
        wanted = (c.change for c in self.job.candidates)
        stale_summaries.clear(
            self.base, (w.summary for w in wanted if isinstance(w, CreateSummary))
        )
        self.catalog: Catalog = read_catalog(self.base)
        self._answers: dict[str, Answer] = {}
        self._digests: dict[tuple[Path, TableName], tuple[object, ...]] = {}

    def close(self) -> None:
        """Close what is open; the files go with the snapshot."""
        self.base.close()
        self.watchdog.close()

    @property
    def spent(self) -> float:
        """Seconds of work since the start."""
        return self.work()

    @property
    def remaining(self) -> float:
        """Seconds left of the budget."""
        return self.job.settings.budget_seconds - self.spent

    @property
    def total(self) -> float:
        """Weighted milliseconds of the whole workload on the present base."""
        return sum(q.weighted for q in self.queries.values())

    def writes(self, table: TableName) -> int:
        """Return how many statements were seen to write to a table."""
        return self.job.workload.writes.get(str(table), 0)

    def insert_limit(self, table: TableName) -> float:
        """Return how many times as long inserts into a table may take, whatever is gained."""
        return self.job.settings.max_insert_cost * (1.0 if self.writes(table) else UNSEEN)

    def constant(self, measured: Iterable[str]) -> float:
        """Return the weighted milliseconds of all queries but those."""
        left_out = set(measured)
        return sum(q.weighted for f, q in self.queries.items() if f not in left_out)

    def answer(self, fingerprint: str) -> Answer:
        """Return the right result of a query, from the present base when it isn't known yet."""
        if fingerprint not in self._answers:
            query = self.queries[fingerprint]
            with self.watchdog.limit(self.base, self.job.settings.longest_query):
                self._answers[fingerprint], query.row_groups = capture_profiled(
                    self.base, query.sql
                )
        return self._answers[fingerprint]

    def copy(self, source: Path | None = None) -> Path:
        """Copy a database (the base unless named) beside the snapshot, under the same name."""
        snapshot = Path(self.job.snapshot)
        target = Path(mkdtemp(prefix="trial-", dir=snapshot.parent)) / snapshot.name
        copy_database(source or self.base_path, target)
        return target

    def open(self, path: Path) -> duckdb.DuckDBPyConnection:
        """Open a copy as every copy is opened."""
        return open_copy(path, self.job.settings.memory_limit)

    def rebase(self, path: Path) -> None:
        """Make `path` the base that later trials start from."""
        self.base.close()
        self.discard(self.base_path)
        self.base_path = path
        self.base = self.open(path)
        self.catalog = read_catalog(self.base, macros=self.catalog.macros)

    def discard(self, path: Path | None) -> None:
        """Delete a copy; the snapshot itself stays for the last comparison."""
        if path is not None and path != Path(self.job.snapshot):
            shutil.rmtree(path.parent, ignore_errors=True)

    def base_digest(self, table: Table) -> tuple[object, ...]:
        """Return the digest of a table of the base, computed once."""
        key = (self.base_path, table.name)
        if key not in self._digests:
            self._digests[key] = content_digest(self.base, table)
        return self._digests[key]

    def measure_baseline(self, pattern: QueryPattern, seconds: float) -> QueryBaseline | None:
        """Time one query as it is; what cannot be measured comes back with the error.

        None when a run takes longer than `seconds`.
        """
        fingerprint = pattern.fingerprint
        try:
            sql = check_read_only(pattern.sql)
            if tells_structure(sql):
                return QueryBaseline(fingerprint=fingerprint, error=STRUCTURE)
            with self.watchdog.limit(self.base, seconds):
                answer, row_groups = capture_profiled(self.base, sql)
            samples = self._baseline_runs(sql, seconds, answer.count > FETCHED_BY_ROW)
            with self.watchdog.limit(self.base, seconds):
                again, _ = capture_profiled(self.base, sql)
        except duckdb.InterruptException:
            return None
        except (duckdb.Error, ProductError) as exc:
            return QueryBaseline(fingerprint=fingerprint, error=reason(str(exc))[:300])
        if difference(answer, again) is not None:
            return QueryBaseline(
                fingerprint=fingerprint, error="its result differs from one run to the next"
            )
        self._answers[fingerprint] = answer
        return QueryBaseline(
            fingerprint=fingerprint,
            ms=interval_of(samples),
            samples=tuple(samples),
            rows=answer.count,
            row_groups=row_groups,
        )

    def _baseline_runs(self, sql: str, seconds: float, large: bool) -> list[float]:
        samples: list[float] = []
        while len(samples) < (3 if samples and samples[0] > LONG_MS else BASELINE_RUNS):
            with self.watchdog.limit(self.base, seconds):
                samples.append(run_query(self.base, sql, large=large))
        return samples

    def take(self, pattern: QueryPattern, baseline: QueryBaseline) -> None:
        """Put a query with a baseline on the bench."""
        if baseline.error is None and baseline.samples:
            sql = check_read_only(pattern.sql)
            ms = median(baseline.samples)
            self.queries[pattern.fingerprint] = Query(
                pattern, baseline, sql, ms, baseline.row_groups
            )
            self.noise += ratio_noise(baseline.samples[1:], baseline.samples[:-1])


def content_digest(con: duckdb.DuckDBPyConnection, table: Table) -> tuple[object, ...]:
    """Return count and hash sum of all rows, whatever their order."""
    columns = ", ".join(quoted(c.name) for c in table.columns)
    row = con.execute(f"SELECT count(*), sum(hash({columns})) FROM {table.name.sql}").fetchone()
    return tuple(row or ())


def affected(candidate: Candidate, bench: Bench) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the queries a change is for, and all others it can touch."""
    change = candidate.change
    known = bench.queries
    if isinstance(change, RewriteQuery):
        return tuple(f for f in known if f == change.fingerprint), ()
    if isinstance(change, CreateSummary):
        texts = {clean(old) for old, _ in change.rewrites}
        return tuple(f for f, q in known.items() if clean(q.pattern.sql) in texts), ()
    touched = tuple(f for f, q in known.items() if change.table in q.pattern.tables)
    core = tuple(f for f in touched if f in candidate.fingerprints) or touched
    return core, tuple(f for f in touched if f not in core)


def text_after(change: Change, asked: str, present: str) -> str:
    """Return what answers the query `asked` once the change is made; `present` answers it now."""
    if isinstance(change, RewriteQuery) and clean(change.original) == clean(asked):
        return change.rewritten
    if isinstance(change, CreateSummary):
        texts = {clean(old): new for old, new in change.rewrites}
        return texts.get(clean(asked), present)
    return present


def clean(sql: str) -> str:
    """Return a statement without what surrounds it."""
    return sql.strip().rstrip(";").strip()
