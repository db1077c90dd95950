"""What a person should know before approving a change, in plain sentences."""

from __future__ import annotations

import re

from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    ContractVerdict,
    CreateIndex,
    CreateSummary,
    DropColumn,
    DropIndex,
    DropTable,
    RewriteQuery,
    SortTable,
)
from tools.product.candidates.whole_numbers import keeps_whole
from tools.product.catalog import Catalog
from tools.product.logical_types import family, is_text
from tools.product.structure import mentions
from tools.product.summary_content import rows_column

_CAST = re.compile(r"(?<!TRY_)CAST\(")
LATER = {
    "integer": "1.5 is stored as 2 and 007 as 7, and what is no number, or too large, is refused",
    "number": "007 is stored as 7, more digits than it holds are rounded, and what is no number, or"
    " too large, is refused",
    "date": "a time of day is lost, and what does not begin with year, month and day is refused",
    "timestamp": "a date alone is stored as midnight, an offset and more digits than it holds are"
    " lost, and what is no timestamp is refused",
    "time": "a date, an offset and more digits than it holds are lost, and what is no time is"
    " refused",
    "boolean": "yes, t and 1 are stored as true, and what is neither true nor false is refused",
}
"""What the engine makes of text that is inserted once the column has another type."""
ASKED_HERE = (
    "Only queries sent through the product's query API (`pillion serve`) are answered the new way;"
    " elsewhere whoever owns a query has to change its text."
)
REFUSED = "A writer that breaks the rule is refused from now on."
REWRITTEN = "The whole table is rewritten: meanwhile writers wait, and it needs its size again."
ALTERED = (
    "Until it is undone the engine refuses to rename the table and to rename, retype or drop any of"
    " its columns (ALTER TABLE)."
)
WHOLE = (
    "Sums and means of a DOUBLE are kept while its numbers are whole: where a group holds another,"
    " the query API runs the query as it is asked, and elsewhere its new text fails."
)
GONE = (
    "A group whose rows are all deleted is in no answer any more; its key can be read in the"
    " summary itself until Pillion opens the database next."
)


def risks(change: Change, verdict: ContractVerdict, catalog: Catalog) -> tuple[str, ...]:
    """Return in plain sentences what could go wrong later, the contract's warnings last."""
    warned = (f"{f.path}: {f.message}." for f in verdict.findings if f.severity == "warning")
    return (*_risks(change, catalog), *warned)


def _risks(change: Change, catalog: Catalog) -> tuple[str, ...]:
    match change:
        case ChangeType():
            return (*_type_risks(change), REWRITTEN)
        case SortTable():
            return (
                "Rows written later arrive unsorted, so the gain decays until it is sorted again.",
                "Queries without ORDER BY may return rows in another order.",
                *_rounding(change, catalog),
                REWRITTEN,
            )
        case CreateSummary():
            return _summary_risks(change, catalog)
        case DropColumn() | DropTable():
            return (
                "The log may be too short to show every reader; one that was missed fails.",
                "The space is free only after the kept copy is dropped and the file compacted.",
            )
        case AddNotNull(column=column):
            return (f"{REFUSED} Here: a row without a value of {column}.",)
        case AddCheck(column=column, expression=expression):
            return (f"{REFUSED} Here, for {column}: {expression}.", REWRITTEN)
    return _access_risks(change)


def _rounding(change: SortTable, catalog: Catalog) -> tuple[str, ...]:
    """Say that sums of floating-point numbers depend on the order of rows, where there are some."""
    table = catalog.table(change.table)
    columns = [c.name for c in table.columns if c.type in ("FLOAT", "DOUBLE")] if table else []
    if not columns:
        return ()
    more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
    return (
        f"Sums and means of floating-point numbers ({', '.join(columns[:3])}{more}) may differ in"
        " their last digits: they are added up in another order.",
    )


def _access_risks(change: Change) -> tuple[str, ...]:
    match change:
        case CreateIndex():
            return (
                "Inserts, updates and deletes maintain the index and take longer.",
                "The index takes space and memory, and grows with every write.",
                ALTERED,
            )
        case DropIndex(definition=definition):
            lost = ("The index no longer refuses duplicates.",) if is_unique(definition) else ()
            return (*lost, "A query outside the log may have used the index.")
        case RewriteQuery():
            return (ASKED_HERE,)
    return ()


def _type_risks(change: ChangeType) -> tuple[str, ...]:
    column, to_type = change.column, change.to_type
    later = LATER.get(family(to_type)) if is_text(change.from_type) else None
    later = later or f"what {to_type} cannot hold as it is, is altered or refused"
    found = [f"Every present value of {column} fits {to_type}; later {later}."]
    if is_text(change.from_type) and not is_text(to_type):
        found.append(
            f"Queries that treat {column} as text (LIKE, substr, ||) may fail or need a cast."
        )
    if change.null_marker is not None:
        found.append(
            f"{change.null_marker!r} in {column} becomes NULL: queries that look for that text "
            "find nothing, and aggregates leave those rows out."
        )
    return tuple(found)


def _summary_risks(change: CreateSummary, catalog: Catalog) -> tuple[str, ...]:
    table = catalog.table(change.table)
    texts = [d.expression for d in change.dimensions]
    texts += [a.argument for a in change.aggregates if not keeps_whole(a.argument)]
    parsed = [
        f"A row for which {t} fails is refused when it is written."
        for t in dict.fromkeys(texts)
        if _CAST.search(t) and table
        and any(is_text(c.type) and mentions(t, c.name) for c in table.columns)
    ]  # fmt: skip
    return (
        ASKED_HERE,
        *parsed,
        f"Every write to {change.table} also updates the summary and takes longer; MERGE and "
        f"upserts into {change.table} are refused by the engine while it has triggers.",
        "Of two writers at once whose rows belong to one group, the later one fails and has to"
        " write again.",
        ALTERED,
        "The summary takes space of its own.",
        *([WHOLE] if any(keeps_whole(a.argument) for a in change.aggregates) else []),
        *([GONE] if rows_column(change) else []),
    )


def is_unique(definition: str) -> bool:
    """Return whether a CREATE INDEX text makes a unique index."""
    return definition.upper().split()[:2] == ["CREATE", "UNIQUE"]
