"""Finders asked about a real database, for tests of what they propose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from tests.jobs import make_pattern
from tools.product.candidates.context import CandidateContext, Found
from tools.product.candidates.finder import FINDERS, find
from tools.product.catalog import read_catalog
from tools.product.errors import QueryFailed
from tools.product.table_uses import Unmeasured
from tools.product.workload import Skipped, Workload

ALL = frozenset(kind for kinds, _ in FINDERS for kind in kinds)


def look(
    con: duckdb.DuckDBPyConnection, queries: Iterable[str], kinds: Iterable[str] = ALL, **more: Any
) -> Found:
    """Return what the finders make of a database and queries; `writes` are not measured."""
    catalog = read_catalog(con)
    runs = more.pop("runs", 10)
    skipped = tuple(Skipped(sql=w, reason="it writes") for w in more.pop("writes", ()))
    unmeasured = Unmeasured(catalog)
    for statement in skipped:
        unmeasured.add(statement.sql)
    known = {"named": None if "skipped_total" in more else unmeasured.uses()}
    known |= {name: more.pop(name) for name in ("unseen", "unlisted") if name in more}
    workload = Workload(
        patterns=tuple(make_pattern(q, catalog, runs) for q in queries),
        skipped=skipped,
        skipped_total=more.pop("skipped_total", len(skipped)),
        **known,
    )

    def probe(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        try:
            return con.execute(sql, list(parameters)).fetchall()
        except duckdb.Error as exc:
            raise QueryFailed(f"The engine refused a probe: {exc}") from exc

    context = CandidateContext(product="p", catalog=catalog, workload=workload, probe=probe, **more)
    return find(context, kinds)


def targets(found: Found) -> list[str]:
    """Return the kind and column of each idea, sorted."""
    return sorted(
        f"{c.change.kind} {getattr(c.change, 'column', '')}".strip() for c in found.candidates
    )


def works(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Whether the engine answers a query."""
    try:
        con.execute(sql).fetchall()
    except duckdb.Error:
        return False
    return True
