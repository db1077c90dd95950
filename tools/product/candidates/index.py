"""Indexes, where DuckDB can use one: a plain = on one selective column, or a join probe."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tools.messages import Candidate, CreateIndex, change_id, quoted
from tools.numbers import counted
from tools.product.candidates.context import CandidateContext, Found, each, weight
from tools.product.catalog import Table
from tools.product.column_roles import ALONE

MIN_ROWS = 20_000
SELECTIVE = 0.001
"""DuckDB scans an index only when at most max(2048, 0.1 % of the rows) match."""
TEXTBOOK = 2
MAX_INDEXES = 4
TEXTBOOK_PROMISE = 0.001
MAX_NAME = 200


def find_indexes(context: CandidateContext) -> Found:
    """Propose selective columns, and a few textbook ideas so that their refusal has a number."""
    found = each(
        context.steps, context.catalog.tables, lambda table: Found(tuple(_ideas(context, table)))
    )
    ordered = sorted(found.candidates, key=_by_promise)
    selective = [c for c in ordered if not _textbook(c)][:MAX_INDEXES]
    return Found((*selective, *list(filter(_textbook, ordered))[:TEXTBOOK]), found.notes)


def _ideas(context: CandidateContext, table: Table) -> Iterator[Candidate]:
    columns = [c for c in _compared(context, table) if not _indexed(table, c)]
    if table.rows < MIN_ROWS or not columns:
        return
    for column, distinct in zip(columns, _distinct(context, table, columns), strict=True):
        matches = table.rows / max(1, distinct)
        few = matches <= max(2048, SELECTIVE * table.rows)
        yield _candidate(context, table, column, few=few)


def _textbook(candidate: Candidate) -> bool:
    return candidate.promise <= TEXTBOOK_PROMISE


def _by_promise(candidate: Candidate) -> tuple[float, str]:
    return (-candidate.promise, candidate.id)


def _compared(context: CandidateContext, table: Table) -> list[str]:
    found: dict[str, None] = {}
    for pattern in context.workload.reading(table.name):
        for use in pattern.columns:
            equal = "filter" in use.roles and "=" in use.operators
            if use.table == table.name and equal and not use.casts:
                found[use.column] = None
    return list(found)


def _indexed(table: Table, column: str) -> bool:
    if any(i.columns[:1] == (column,) for i in table.indexes):
        return True
    return any(
        c.kind in ("PRIMARY KEY", "UNIQUE") and c.columns == (column,) for c in table.constraints
    )


def _distinct(context: CandidateContext, table: Table, columns: list[str]) -> list[int]:
    counted = ", ".join(f"approx_count_distinct({quoted(c)})" for c in columns)
    return [int(n) for n in context.probe(f"SELECT {counted} FROM {table.name.sql}")[0]]


def _candidate(context: CandidateContext, table: Table, column: str, *, few: bool) -> Candidate:
    name = f"idx_{table.name.name}_{column}"
    if len(name) > MAX_NAME:
        name = f"{name[:MAX_NAME]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    change = CreateIndex(table=table.name, columns=(column,), name=name)
    using = [p for p, use in context.uses(table.name, column) if ALONE in use.operators]
    total = sum(weight(p) for p in using)
    can = few and bool(using)
    return Candidate(
        id=change_id(context.product, change),
        agent="schema",
        change=change,
        reason=_reason(column, len(using), few=few),
        fingerprints=tuple(p.fingerprint for p, _ in context.uses(table.name, column)),
        promise=total if can else min(TEXTBOOK_PROMISE, total),
    )


def _reason(column: str, using: int, *, few: bool) -> str:
    if few and using:
        return f"{counted(using, 'query looks', 'queries look')} up single values of {column}"
    why = "the engine uses none beside another condition" if few else "values match too many rows"
    return f"the textbook answer to filters on {column}; {why}"
