"""What a table's columns look like, in counts and classes: no value of any row leaves here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from tools.messages import Message, TableName, quoted
from tools.product.catalog import Column, Table
from tools.product.contract_inference import MARKERS
from tools.product.logical_types import family, is_text

Probe = Callable[[str], Sequence[tuple[Any, ...]]]
Range = Literal["negative too", "never negative", "always positive", "0 to 1"]
Span = Literal["a day", "a month", "a year", "some years", "many years"]
LOOKED_AT = 100_000
"""Most rows that are read of a table; of a larger one blocks drawn from all of it."""
SEED = 20_261_128
AT_ONCE = 25
"""Columns a query looks at: planning one takes time by the square of what it computes."""
_COUNTABLE = frozenset({"string", "date", "timestamp", "time", "number", "integer", "boolean"})
_MARKED = ", ".join(f"'{marker}'" for marker in MARKERS)
_DAYS: tuple[tuple[int, Span], ...] = (
    (1, "a day"), (31, "a month"), (366, "a year"), (3660, "some years"),
)  # fmt: skip


class ColumnProfile(Message):
    """One column in counts and classes."""

    name: str
    type: str
    key: bool = False
    """Whether the table's structure makes its values unique."""
    references: TableName | None = None
    """The table that a foreign key of this column alone leads to."""
    missing: float = 0.0
    """Share of the rows looked at without a value, or with a text that means so, 0 to 1."""
    distinct: int | None = None
    """Different values among the rows looked at; None where they cannot be compared."""
    unique: bool = False
    """Whether no two of the rows looked at have the same value."""
    range: Range | None = None
    """Of numbers."""
    span: Span | None = None
    """Of dates and points in time: the first to the last."""
    length: int | None = None
    """Of text whose values are all equally long."""


class TableProfile(Message):
    """A table's columns in counts and classes."""

    table: TableName
    rows: int
    looked_at: int
    """Rows that were read: all of them, or a sample."""
    columns: tuple[ColumnProfile, ...]


def profile(table: Table, probe: Probe) -> TableProfile:
    """Return the profile of a table; each column is read once, at most about `LOOKED_AT` rows."""
    looked_at, columns = 0, list[ColumnProfile]()
    for start in range(0, len(table.columns), AT_ONCE):
        some = table.columns[start : start + AT_ONCE]
        ((looked_at, *found),) = probe(profile_sql(table, some))
        figures = iter(found)
        columns += [_column(table, column, looked_at, figures) for column in some]
    return TableProfile(
        table=table.name, rows=table.rows, looked_at=looked_at, columns=tuple(columns)
    )


def profile_sql(table: Table, columns: Sequence[Column]) -> str:
    """Return one query: how many rows, then the figures of each of the columns."""
    figures = [sql for column in columns for sql in _figures(column)]
    return f"SELECT count(*), {', '.join(figures)} FROM {table.name.sql}{_sampled(table.rows)}"


def _sampled(rows: int) -> str:
    if rows <= LOOKED_AT:
        return ""
    percent = 100 * LOOKED_AT / rows
    return f" TABLESAMPLE system({percent:.6f} PERCENT) REPEATABLE ({SEED})"


def _figures(column: Column) -> Iterator[str]:
    name, kind = quoted(column.name), family(column.type)
    present = f"{name} IS NOT NULL"
    if is_text(column.type):
        present += f" AND {name} NOT IN ({_MARKED})"
    yield f"count(*) FILTER ({present})"
    if kind in _COUNTABLE:
        yield f"count(DISTINCT {name}) FILTER ({present})"
    if kind in ("number", "integer"):
        yield f"min({name}) < 0"
        yield f"min({name}) <= 0"
        yield f"max({name}) <= 1"
    if kind in ("date", "timestamp"):
        yield f"date_diff('day', min({name}), max({name}))"
    if is_text(column.type):
        yield f"min(length({name})) FILTER ({present})"
        yield f"max(length({name})) FILTER ({present})"


def _column(table: Table, column: Column, rows: int, figures: Iterator[Any]) -> ColumnProfile:
    kind = family(column.type)
    present = next(figures)
    distinct = next(figures) if kind in _COUNTABLE else None
    values: dict[str, Any] = {}
    if kind in ("number", "integer"):
        values["range"] = _range(next(figures), next(figures), next(figures))
    if kind in ("date", "timestamp"):
        values["span"] = _span(next(figures))
    if is_text(column.type):
        shortest, longest = next(figures), next(figures)
        values["length"] = longest if shortest == longest else None
    return ColumnProfile(
        name=column.name,
        type=column.type,
        key=is_key(table, column.name),
        references=_references(table, column.name),
        missing=(rows - present) / rows if rows else 0.0,
        distinct=distinct,
        unique=distinct is not None and 1 < present == distinct,
        **values,
    )


def _range(negative: bool | None, not_positive: bool | None, small: bool | None) -> Range | None:
    if negative is None:
        return None
    if negative:
        return "negative too"
    if small:
        return "0 to 1"
    return "never negative" if not_positive else "always positive"


def _span(days: int | None) -> Span | None:
    if days is None:
        return None
    return next((span for most, span in _DAYS if days <= most), "many years")


def is_key(table: Table, column: str) -> bool:
    """Return whether a table's structure makes a column's values unique."""
    return any(
        c.kind in ("PRIMARY KEY", "UNIQUE") and c.columns == (column,) for c in table.constraints
    )


def _references(table: Table, column: str) -> TableName | None:
    for constraint in table.constraints:
        if constraint.kind == "FOREIGN KEY" and constraint.columns == (column,):
            if constraint.referenced_table:
                schema = table.name.schema_name
                return TableName(schema_name=schema, name=constraint.referenced_table)
    return None
