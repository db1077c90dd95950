"""Whether the parts of a change say something at all, whatever there is in the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.messages import (
    GROUPING,
    KEY,
    AddCheck,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    SortTable,
)
from tools.product.identifiers import folded

LONGEST_NAME = 255


def misshapen(change: Change) -> str | None:
    """Return what is wrong with the parts of a change, in a sentence, if anything is."""
    return next(_faults(change), None)


def _faults(change: Change) -> Iterator[str]:
    match change:
        case CreateIndex():
            yield from _name("name", change.name)
            yield from _columns("columns", change.columns)
        case SortTable():
            yield from _columns("order_by", change.order_by)
        case ChangeType():
            yield from _texts(
                ("to_type", change.to_type), ("forward", change.forward),
                ("backward", change.backward),
            )  # fmt: skip
            if change.to_type.strip().upper() == change.from_type.strip().upper():
                yield f"The column is {change.from_type} already: to_type names another type."
        case AddCheck():
            yield from _texts(("expression", change.expression))
        case CreateSummary():
            yield from _summary(change)


def _summary(change: CreateSummary) -> Iterator[str]:
    yield from _name("summary", change.summary.name)
    if not change.aggregates:
        yield "aggregates is empty: a summary holds at least one, such as count."
    columns = [d.column for d in change.dimensions] + [a.column for a in change.aggregates]
    for column in columns:
        yield from _column(column)
    columns += [GROUPING, KEY] if change.groupings else []
    if twice := _twice(columns):
        yield f"Two columns of the summary are called {twice}: each needs a name of its own."
    if change.groupings:
        yield from _groupings(change)
    for dimension in change.dimensions:
        yield from _texts(("expression", dimension.expression))
    for aggregate in change.aggregates:
        if aggregate.function != "count":
            yield from _texts(("argument", aggregate.argument))


def _groupings(change: CreateSummary) -> Iterator[str]:
    keys = {d.column for d in change.dimensions}
    figures = {a.column for a in change.aggregates}
    for grouping in map(set, change.groupings):
        if not (grouping & keys and grouping & figures and grouping <= keys | figures):
            yield "Each of the groupings names columns: of dimensions and of aggregates."
    if left := (keys | figures).difference(*change.groupings):
        yield f"No grouping has {min(left)}: add it to one, or leave it out."


def _columns(field: str, names: tuple[str, ...]) -> Iterator[str]:
    if not names:
        yield f"{field} is empty: name at least one column."
    if twice := _twice(names):
        yield f"{field} names {twice} twice."


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if folded(name) in seen:
            return name
        seen.add(folded(name))
    return None


def _column(name: str) -> Iterator[str]:
    # Blank or long: some are called as the table's own column is.
    if not name:
        yield "column needs a name."
    elif "\x00" in name:
        yield "column holds a NUL character, which no name may."


def _name(field: str, name: str) -> Iterator[str]:
    if not name.strip():
        yield f"{field} needs a name."
    elif "\x00" in name:
        yield f"{field} holds a NUL character, which no name may."
    elif len(name) > LONGEST_NAME:
        yield f"{field} has {len(name)} characters; give it a name of at most {LONGEST_NAME}."


def _texts(*fields: tuple[str, str]) -> Iterator[str]:
    yield from (f"{field} is empty." for field, text in fields if not text.strip())
