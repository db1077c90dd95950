"""Applying and undoing changes: one transaction each, with the ledger row inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import duckdb

from tools.failpoints import crash_point
from tools.messages import (
    CHANGE,
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    CreateSummary,
    change_target,
)
from tools.product.catalog import (
    Catalog,
    Table,
    read_catalog,
    read_table,
    schema_hash,
    table_hash,
)
from tools.product.change_ledger import (
    ActiveRewrite,
    AppliedChange,
    Approval,
    Status,
    dispatch_rewrites,
    end,
    find_change,
    find_made,
    get_change,
    list_changes,
    prepare,
    record,
)
from tools.product.changes import leftovers, plan, plan_undo, stands_on
from tools.product.disk_space import checkpoint, ran_out
from tools.product.errors import DiskFull, ProductError, Refused, SchemaDrift, UndoConflict
from tools.product.out_of_reach import out_of_reach, reason
from tools.product.sound_summaries import unsound
from tools.product.stale_summaries import stale_under
from tools.product.stored_queries import Macro, Stored, View
from tools.product.summary_refusals import refused_rows
from tools.product.summary_types import outdated
from tools.product.undo_checks import CONFLICT

__all__ = [
    "TRIAL",
    "ActiveRewrite",
    "AppliedChange",
    "Approval",
    "Looks",
    "apply",
    "dispatch_rewrites",
    "find_made",
    "list_changes",
    "undo",
]


TRIAL = "trial"
"""The approval of a change on a copy: what the ledger says of live is no reason not to make it."""


class Looks(NamedTuple):
    """Who looks at the database right before a change and right after it, in its transaction.

    Either may raise `SchemaDrift` or `Refused`.
    """

    before: Callable[[duckdb.DuckDBPyConnection, Catalog], None] = lambda con, catalog: None
    after: Callable[[duckdb.DuckDBPyConnection], None] = lambda con: None


UNSEEN = Looks()


class _Probe(NamedTuple):
    """A query that works where a view or macro does, and what to call that."""

    label: str
    sql: str


def apply(  # noqa: PLR0913  each is known to other callers only
    con: duckdb.DuckDBPyConnection,
    proposal_id: str,
    change: Change,
    *,
    approval: str | Approval | None = None,
    expected_schema_hash: str | None = None,
    looks: Looks = UNSEEN,
    macros: tuple[Macro, ...] | None = None,
) -> AppliedChange:
    """Make a change once for an approval: a repeat returns the row of the first time.

    Where another approval of the same change stands in the ledger, its table was replaced since:
    the new row takes the place of that one. Without an approval any row counts as a repeat's.
    `macros` are those of the database where they are known, as on a copy.
    Raises `SchemaDrift`, `Refused` or `DiskFull`; then nothing has changed.
    """
    given = approval if isinstance(approval, Approval) else Approval(approval)
    with _transaction(con, change, "apply"):
        done = find_change(con, proposal_id)
        if done is not None and done.made_for(given):
            return done
        if done is not None and done.status == "applied":
            _supersede(con, done)
        catalog = _without_stale(con, change, macros)
        before = catalog.table(change.table)
        present = schema_hash(catalog, [change.table])
        if before is None or expected_schema_hash not in (None, present):
            raise SchemaDrift(f"{change.table} is not as it was when this was measured.")
        looks.before(con, catalog)
        _check_writes(change, before)
        working = _working(con, catalog)
        _check_tried(con, change, catalog)
        crash_point("apply.before_change")
        _run(con, plan(change, catalog, proposal_id=proposal_id).forward, "apply")
        _check_working(con, working)
        _check_summaries(con, change)
        looks.after(con)
        crash_point("apply.before_ledger")
        record(con, proposal_id, change, (before, present), given.name)
        crash_point("apply.before_commit")
    crash_point("apply.after_commit")
    checkpoint(con)
    return get_change(con, proposal_id)


def undo(
    con: duckdb.DuckDBPyConnection,
    proposal_id: str,
    *,
    status: Status = "undone",
    macros: tuple[Macro, ...] | None = None,
) -> AppliedChange:
    """Take a change back once; a repeat returns its row. `macros` are as in `apply`.

    Raises `UnknownChange`, `UndoConflict`, `Refused` or `DiskFull`; then nothing has changed.
    """
    row = get_change(con, proposal_id)
    if row.status != "applied":
        return row
    change: Change = CHANGE.validate_json(row.change)
    _check_order(con, row, change)
    with _transaction(con, change, "undo"):
        catalog = read_catalog(con, macros=macros)
        working = _working(con, catalog)
        crash_point("undo.before_change")
        _run(con, _undo_statements(row, change, catalog), "undo")
        _check_working(con, working)
        _check_restored(con, row, catalog, change)
        _check_summaries(con, change, undone=True)
        crash_point("undo.before_ledger")
        end(con, row, status)
        crash_point("undo.before_commit")
    crash_point("undo.after_commit")
    checkpoint(con)
    return get_change(con, proposal_id)


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection, change: Change, doing: str) -> Iterator[None]:
    """Run the block in one transaction, with the ledger in place; errors say what to do."""
    con.execute("BEGIN")
    try:
        prepare(con)
        yield
        con.execute("COMMIT")
    except duckdb.Error as exc:
        _abandon(con)
        raise _translated(exc, change, doing) from exc
    except BaseException:
        _abandon(con)
        raise


def _abandon(con: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):
        con.execute("ROLLBACK")


def _run(con: duckdb.DuckDBPyConnection, statements: Iterable[str], name: str) -> None:
    for statement in statements:
        con.execute(statement)
        crash_point(f"{name}.between_statements")


def _supersede(con: duckdb.DuckDBPyConnection, row: AppliedChange) -> None:
    """Remove what is left of an earlier approval's change; a failure later brings it back."""
    change: Change = CHANGE.validate_json(row.change)
    _run(con, leftovers(change, read_catalog(con), proposal_id=row.proposal_id), "apply")


def _without_stale(
    con: duckdb.DuckDBPyConnection, change: Change, macros: tuple[Macro, ...] | None
) -> Catalog:
    """Take away what is left of a summary in whose place a change makes another; read the rest."""
    catalog = read_catalog(con, macros=macros)
    if not isinstance(change, CreateSummary):
        return catalog
    stale = stale_under(con, catalog, change.summary)
    for row in stale:
        _supersede(con, row)
        end(con, row, "undone")
    return read_catalog(con, macros=macros) if stale else catalog


def _undo_statements(row: AppliedChange, change: Change, catalog: Catalog) -> tuple[str, ...]:
    return plan_undo(
        change,
        catalog,
        before=Table.model_validate_json(row.before),
        after=Table.model_validate_json(row.after) if row.after else None,
        proposal_id=row.proposal_id,
    )


def _check_order(con: duckdb.DuckDBPyConnection, row: AppliedChange, change: Change) -> None:
    """Raise `UndoConflict` when a later change stands on this one."""
    rows = list_changes(con)
    for later in rows[rows.index(row) + 1 :]:
        if later.status == "applied" and stands_on(CHANGE.validate_json(later.change), change):
            raise UndoConflict(
                f"{later.kind} of {later.target} came after this and depends on it.",
                hint=f"Undo {later.proposal_id} first.",
            )


def _check_restored(
    con: duckdb.DuckDBPyConnection, row: AppliedChange, was: Catalog, change: Change
) -> None:
    """Raise `UndoConflict` when the structure is not the old one though nothing else changed."""
    if schema_hash(was, [change.table]) != row.schema_after:
        return
    if table_hash(change.table, read_table(con, change.table)) != row.schema_before:
        raise UndoConflict(
            f"Taking back {change.kind} would not give the old structure of {change.table} again.",
            hint="Nothing was changed.",
        )


def _check_writes(change: Change, table: Table) -> None:
    """Raise `Refused` for a summary that would refuse rows, or could not tell what it should."""
    if not isinstance(change, CreateSummary):
        return
    if fault := unsound(change, table):
        raise Refused(
            fault, hint="Edit that, or run Pillion again: it looks at the table as it is."
        )
    refusal = refused_rows(change, table)
    if refusal is not None:
        raise Refused(
            f"Its triggers {refusal.reason}: they would refuse a later row that does not fit,"
            " which no query it serves has to read.",
            hint=refusal.hint,
        )


def _check_summaries(
    con: duckdb.DuckDBPyConnection, change: Change, *, undone: bool = False
) -> None:
    """Raise `Refused` when a summary would not hold what it is computed from any more."""
    summary = outdated(con, change, undone=undone) if isinstance(change, ChangeType) else None
    if summary is not None:
        raise Refused(
            f"{summary.summary} keeps what it is computed from as it is before"
            f" {change_target(change)} is changed.",
            hint="Undo that summary first; it can be made again afterwards.",
        )


def _working(con: duckdb.DuckDBPyConnection, catalog: Catalog) -> tuple[_Probe, ...]:
    """Return how the views and macros that work now are tried; on a connection of its own.

    An error would end the transaction, and a broken view is no reason to.
    """
    stored: tuple[Stored, ...] = (*catalog.views, *catalog.macros)
    probes = (probe for one in stored for probe in _probes(one))
    with con.cursor() as other:
        return tuple(p for p in probes if _failure(other, p) is None)


def _check_tried(con: duckdb.DuckDBPyConnection, change: Change, catalog: Catalog) -> None:
    """Raise `Refused` where nobody here can try whether a view or macro bears another type.

    What reads files or another database, or needs an extension, works for its owner only.
    """
    if not isinstance(change, ChangeType):
        return
    readers = (
        s for s in catalog.stored.all if catalog.stored.reaches(s, change.table, change.column)
    )
    for probe in (p for stored in readers for p in _probes(stored)):
        with con.cursor() as other:
            failure = _failure(other, probe) or ""
        if out_of_reach(failure):
            raise Refused(
                f"Whether the {probe.label}, which may read {change.column}, works with"
                f" {change.to_type} cannot be tried here: {reason(failure)}",
                hint="Where it does, drop that, let the change be made, and create it again.",
            )


def _probes(stored: Stored) -> Iterator[_Probe]:
    """Yield what shows that a view or each form of a macro works, whatever it is called with."""
    if isinstance(stored, View):
        yield _Probe(stored.label, f"SELECT * FROM {stored.name.sql}")
        return
    start = "SELECT * FROM" if stored.table else "SELECT"
    for form in stored.forms:
        nothing = ", ".join("NULL" for _ in form.parameters)
        yield _Probe(stored.label, f"{start} {stored.name.sql}({nothing})")


def _check_working(con: duckdb.DuckDBPyConnection, probes: Iterable[_Probe]) -> None:
    for probe in probes:
        failure = _failure(con, probe)
        if failure is not None:
            raise Refused(f"The {probe.label} would not work any more: {failure}")


def _failure(con: duckdb.DuckDBPyConnection, probe: _Probe) -> str | None:
    try:
        con.execute(f"EXPLAIN {probe.sql}").fetchall()
    except duckdb.Error as exc:
        return str(exc).splitlines()[0]
    return None


def _translated(exc: duckdb.Error, change: Change, doing: str) -> ProductError:
    # Below it the engine shows the statement, which nobody here wrote.
    text = str(exc).splitlines()[0]
    if CONFLICT in text:
        return UndoConflict(text.split(CONFLICT, 1)[1])
    if ran_out(exc):
        return DiskFull(
            f"The disk is full: {text.rstrip('.')}.", hint="Nothing was changed; free some."
        )
    broken = doing == "apply" and isinstance(exc, duckdb.ConstraintException)
    if broken and isinstance(change, AddNotNull | AddCheck):
        return Refused(
            f"Rows of {change.table} break this rule on {change.column}.",
            hint="Mend them first, or give a rule that they keep.",
        )
    what = f"{change.kind} of {change_target(change)}"
    if doing == "undo":
        return UndoConflict(f"The engine refused to take back {what}: {text}")
    return Refused(f"The engine refused {what}: {text}")
