"""Shadow jobs on small real databases, for tests of the measurement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from tests.products import make_database
from tools.messages import Candidate, Change, ChangeType, CreateIndex, TableName, change_id
from tools.product.catalog import Catalog, read_catalog
from tools.product.fingerprint import analyse
from tools.product.measurement import ShadowJob, ShadowSettings
from tools.product.workload import QueryPattern, Workload

SALES = TableName(name="sales")
TYPED = ChangeType(
    table=SALES, column="amount", from_type="VARCHAR", to_type="INTEGER",
    forward='CAST("amount" AS INTEGER)', backward='CAST("amount" AS VARCHAR)',
)  # fmt: skip
STATUS = CreateIndex(table=SALES, columns=("status",), name="idx_status")
CASTING = (
    "SELECT sum(CAST(amount AS BIGINT)) AS s, max(CAST(amount AS INTEGER)) AS top,"
    " min(CAST(amount AS INTEGER)) AS low, avg(CAST(amount AS INTEGER) % 7) AS m FROM sales"
)
MANY_VALUES = (
    "CREATE OR REPLACE TABLE sales AS SELECT * REPLACE"
    " (CAST(hash(id) % 1000000 AS VARCHAR) AS amount) FROM sales"
)
"""Hardly any value twice, so that casting text costs what it does in life."""
LOOKUP = "SELECT count(*) AS n FROM sales WHERE status = 'open'"


def make_pattern(sql: str, catalog: Catalog, runs: int = 10) -> QueryPattern:
    """Return one query of a log, analysed as the product would."""
    facts = analyse(sql, catalog)
    return QueryPattern(
        fingerprint=facts.fingerprint, sql=sql, normalized=facts.normalized, runs=runs,
        total_ms=runs * 10.0, tables=facts.tables, columns=facts.columns, star=facts.star,
        ordered=facts.ordered, source="sql_file",
    )  # fmt: skip


def _patterns(queries: Iterable[str | tuple[str, int]], catalog: Catalog) -> Iterator[QueryPattern]:
    for query in queries:
        sql, runs = (query, 10) if isinstance(query, str) else query
        yield make_pattern(sql, catalog, runs)


def make_candidate(change: Change, promise: float = 1.0) -> Candidate:
    """Return an idea to measure."""
    return Candidate(
        id=change_id("sales", change), agent="schema", change=change, reason="test", promise=promise
    )


def make_job(
    directory: Path, changes: Iterable[Change], queries: Iterable[str | tuple[str, int]], *,
    rows: int = 60_000, setup: Iterable[str] = (), **settings: Any,
) -> ShadowJob:  # fmt: skip
    """Make a database of sales in a snapshot's place and return a job on it."""
    (directory / "snapshot").mkdir(parents=True)
    path = make_database(directory / "snapshot" / "base.duckdb", rows)
    with duckdb.connect(str(path)) as con:
        for statement in (MANY_VALUES, *setup):
            con.execute(statement)
        catalog = read_catalog(con)
    ordered = list(changes)
    return ShadowJob(
        snapshot=str(path),
        evidence=str(directory / "evidence"),
        catalog=catalog,
        workload=Workload(patterns=tuple(_patterns(queries, catalog))),
        candidates=tuple(
            make_candidate(c, promise=float(len(ordered) - i)) for i, c in enumerate(ordered)
        ),
        settings=ShadowSettings(**{"budget_seconds": 30.0, "insert_rows": 500, **settings}),
    )
