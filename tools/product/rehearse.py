"""The way back and the price: undo tried on a copy, inserts timed on two more."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from tools.messages import Candidate, CreateSummary, Rehearsal
from tools.product.bench import Bench, affected, content_digest, text_after
from tools.product.catalog import read_catalog, read_table, schema_hash
from tools.product.errors import ProductError
from tools.product.executor import undo
from tools.product.inserts import time_inserts
from tools.product.measure import Pairing
from tools.product.results import capture, difference

WITHOUT_INSERTS = frozenset({"rewrite_query", "drop_table"})


def rehearse(bench: Bench, candidate: Candidate, path: Path, apply_ms: float) -> Rehearsal:
    """Undo the change on a copy; compare schema, rows and contents with the base."""
    copy: Path | None = None
    elapsed = 0.0
    try:
        copy = bench.copy(path)
        with bench.open(copy) as con:
            started = time.monotonic()
            undo(con, candidate.id, macros=bench.catalog.macros)
            elapsed = (time.monotonic() - started) * 1000
            trouble = _unlike_base(bench, candidate, con)
    except (duckdb.Error, ProductError, OSError) as exc:
        trouble = str(exc).splitlines()[0][:300]
    finally:
        bench.discard(copy)
    detail = trouble or "schema, rows and contents equal the original"
    return Rehearsal(ok=trouble is None, apply_ms=apply_ms, undo_ms=elapsed, detail=detail)


def _unlike_base(bench: Bench, candidate: Candidate, con: duckdb.DuckDBPyConnection) -> str | None:
    undone = read_catalog(con, macros=bench.catalog.macros)
    names = [t.name for t in bench.catalog.tables]
    if len(undone.tables) != len(names):
        return "there are other tables than before"
    if schema_hash(undone, names) != schema_hash(bench.catalog, names):
        return "the schema differs from the original"
    table = bench.catalog.table(candidate.change.table)
    if table is None:
        return f"{candidate.change.table} is missing"
    before, after = bench.base_digest(table), content_digest(con, table)
    if before[:1] != after[:1]:
        return f"{after[0]} rows instead of {before[0]}"
    return None if before == after else "contents differ from the original"


def cost_of_inserts(bench: Bench, candidate: Candidate, path: Path) -> tuple[Pairing | None, bool]:
    """Return what inserts take on both sides, and whether a summary stayed exact under them."""
    if candidate.change.kind in WITHOUT_INSERTS:
        return None, True
    copies: list[Path] = []
    try:
        copies = [bench.copy(), bench.copy(path)]
        with bench.open(copies[0]) as base, bench.open(copies[1]) as trial:
            before = bench.catalog.table(candidate.change.table)
            after = read_table(trial, candidate.change.table)
            if before is None or after is None:
                return None, True
            rows = bench.job.settings.insert_rows
            taken = time_inserts(
                (base, before), (trial, after), rows, lambda: bench.remaining < 0,
                same_order=candidate.change.kind != "sort_table",
            )  # fmt: skip
            return taken, _summary_exact(bench, candidate, trial)
    finally:
        for copy in copies:
            bench.discard(copy)


def _summary_exact(bench: Bench, candidate: Candidate, con: duckdb.DuckDBPyConnection) -> bool:
    if not isinstance(candidate.change, CreateSummary):
        return True
    queries = [bench.queries[f] for f in affected(candidate, bench)[0]]
    return all(
        difference(
            capture(con, q.sql), capture(con, text_after(candidate.change, q.pattern.sql, q.sql))
        )
        is None
        for q in queries
    )
