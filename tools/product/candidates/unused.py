"""Columns, tables and indexes nobody uses, and indexes that repeat another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tools.messages import (
    AddCheck,
    AddNotNull,
    Candidate,
    Change,
    DropColumn,
    DropIndex,
    DropTable,
    change_id,
    quoted,
)
from tools.numbers import counted
from tools.product.candidates.context import CandidateContext, Found, each
from tools.product.candidates.written import Written
from tools.product.catalog import Table
from tools.product.changes import plan
from tools.product.errors import ProductError
from tools.product.structure import incoming_triggers, mentions

ENOUGH_PATTERNS = 20
ENOUGH_RUNS = 500
TOO_SHORT = (
    "the log is too short to call anything unused: it takes"
    f" {ENOUGH_PATTERNS} different queries or {ENOUGH_RUNS} runs"
)
MAX_DROPS = 3
MAX_NAMED = 5


def find_unused(context: CandidateContext) -> Found:
    """Propose to drop what no query reads and no contract promises, given enough of a log."""
    if not _long_enough(context):
        return Found((), (TOO_SHORT,))
    if context.workload.unseen:
        return Found((), (f"nothing is called unused: {_unseen(context)}",))
    written = Written(context.workload)
    changes: list[Change] = []
    notes: list[str] = []
    for table in context.catalog.tables:
        unread = list(_unread(context, table))
        needed = [c for c in unread if _needed(written, table, c)]
        changes += [c for c in unread if c not in needed]
        if needed:
            names = ", ".join(getattr(c, "column", "all of it") for c in needed[:MAX_NAMED])
            notes.append(
                f"{table.name} keeps what no query reads but other statements may need: {names}"
            )
    reason = "no query of the log reads it, no write names it and no contract promises it"
    possible = list(islice((c for c in changes if _possible(context, c)), MAX_DROPS))
    # What a key or an index uses is told last: it takes no place of what can go.
    first = [*possible, *(c for c in changes if c not in possible)][:MAX_DROPS]
    return Found(tuple(_candidate(context, c, reason) for c in first), tuple(notes))


def _possible(context: CandidateContext, change: Change) -> bool:
    """Whether a drop can be made as the database is."""
    try:
        plan(change, context.catalog, proposal_id="")
    except ProductError:
        return False
    return True


def _unseen(context: CandidateContext) -> str:
    return f"{context.workload.unseen} texts of the log were too many to be looked at"


def _unread(context: CandidateContext, table: Table) -> Iterator[DropColumn | DropTable]:
    """Yield the drops of what no query, view or macro reads and no contract promises."""
    reading = context.workload.reading(table.name)
    promised = {c for t, c in context.promised if t == table.name}
    stored = context.catalog.stored
    beyond = context.workload.beyond(table.name)
    if not reading and beyond is None:
        if not promised and not stored.reading(table.name, None):
            yield DropTable(table=table.name)
        return
    if any(p.star for p in reading) or (beyond is not None and beyond.whole):
        return
    used = {u.column for p in reading for u in p.columns if u.table == table.name}
    used |= set(beyond.columns) if beyond is not None else set()
    used |= {c.name for c in table.columns if _triggered(context, table, c.name)}
    for c in table.columns:
        kept = c.name in used or c.name in promised or stored.reading(table.name, c.name)
        if not kept and c.generated is None:
            yield DropColumn(table=table.name, column=c.name, type=c.type)


def _triggered(context: CandidateContext, table: Table, column: str) -> bool:
    """Whether a trigger that works with the table, as those of a summary do, names a column."""
    incoming = (trigger for _, trigger in incoming_triggers(context.catalog, table))
    name = column.replace('"', '""').lower()
    return any(name in t.definition.lower() for t in (*table.triggers, *incoming))


def _needed(written: Written, table: Table, change: DropColumn | DropTable) -> bool:
    if isinstance(change, DropTable):
        return written.names(table)
    return written.needs(table, change.column)


def _long_enough(context: CandidateContext) -> bool:
    patterns = context.workload.patterns
    return len(patterns) >= ENOUGH_PATTERNS or sum(p.runs for p in patterns) >= ENOUGH_RUNS


def find_redundant(context: CandidateContext) -> Found:
    """Propose to drop indexes that repeat another, or that no query can use."""
    found: list[Candidate] = []
    notes: list[str] = []
    for table in context.catalog.tables:
        unique = [c.columns for c in table.constraints if c.kind in ("PRIMARY KEY", "UNIQUE")]
        seen = {_lowered(columns) for columns in unique}
        for index in table.indexes:
            if index.unique:
                continue
            change = DropIndex(table=table.name, name=index.name, definition=index.definition)
            if _lowered(index.columns) in seen:
                reason = f"another index already covers {', '.join(index.columns)}"
                found.append(_candidate(context, change, reason))
            elif len(index.columns) > 1:
                reason = "the engine scans none of several columns, and every write maintains it"
                found.append(_candidate(context, change, reason))
            elif not _long_enough(context) or _usable(context, table, index.columns):
                pass
            elif context.workload.unseen:
                notes.append(f"{index.name} is not called unused: {_unseen(context)}")
            else:
                reason = "no query of the log can use it, and every write maintains it"
                found.append(_candidate(context, change, reason))
            seen.add(_lowered(index.columns))
    return Found(tuple(found), tuple(notes[:MAX_NAMED]))


def _lowered(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(c.lower() for c in columns)


def _usable(context: CandidateContext, table: Table, columns: tuple[str, ...]) -> bool:
    """Whether a query of the log, or a view, may look for values in an index."""
    column = table.column(columns[0])
    if column is None:
        return any(
            _read(context, table, c.name) for c in table.columns if mentions(columns[0], c.name)
        )
    if context.catalog.stored.reading(table.name, column.name):
        # What is asked of a view becomes a condition on its table.
        return True
    beyond = context.workload.beyond(table.name)
    if beyond is not None and column.name in beyond.sought:
        return True
    return any(use.sought for _, use in context.uses(table.name, column.name))


def _read(context: CandidateContext, table: Table, column: str) -> bool:
    """Whether anything reads a column: in what way an index of an expression is found by none."""
    beyond = context.workload.beyond(table.name)
    return bool(
        context.uses(table.name, column)
        or context.catalog.stored.reading(table.name, column)
        or (beyond is not None and beyond.holds(column))
    )


def find_constraints(context: CandidateContext) -> Found:
    """Propose rules the contract states, the data keeps and the database does not enforce."""

    def look(table: Table) -> Found:
        found = list(_rules(context, table))
        broken = [note for note in found if isinstance(note, str)][:MAX_NAMED]
        return Found(tuple(c for c in found if isinstance(c, Candidate)), tuple(broken))

    return each(context.steps, context.catalog.tables, look)


def _rules(context: CandidateContext, table: Table) -> Iterator[Candidate | str]:
    """Yield rules that every row keeps, and why there is none where some don't."""
    reason = "the contract states it and every present row keeps it"
    for name, column in sorted(context.required, key=str):
        found = table.column(column) if name == table.name else None
        if found is None or not found.nullable:
            continue
        many = _count(context, table, f"{quoted(column)} IS NULL")
        if not many:
            yield _candidate(context, AddNotNull(table=name, column=column), reason)
        else:
            rows = counted(many, "row has", "rows have")
            yield f"{name}.{column} may stay empty: {rows} no value, though the contract wants one"
    for name, column, rule in context.checks:
        if name != table.name or _has_check(table, column):
            continue
        many = _count(context, table, f"NOT ({rule})")
        if not many:
            yield _candidate(context, AddCheck(table=name, column=column, expression=rule), reason)
        else:
            rows = counted(many, "row breaks", "rows break")
            yield f"{name}.{column} gets no CHECK of what the contract states: {rows} {rule[:200]}"


def _has_check(table: Table, column: str) -> bool:
    return any(c.kind == "CHECK" and column in c.columns for c in table.constraints)


def _count(context: CandidateContext, table: Table, condition: str) -> int:
    return int(context.probe(f"SELECT count(*) FROM {table.name.sql} WHERE {condition}")[0][0])


def _candidate(context: CandidateContext, change: Change, reason: str) -> Candidate:
    return Candidate(
        id=change_id(context.product, change), agent="schema", change=change, reason=reason,
        promise=0.0,
    )  # fmt: skip
