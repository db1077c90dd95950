"""Rows of an answer as they are: no value bent to what Python can hold, and no more than fit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from tools.messages import quoted
from tools.numbers import size
from tools.product.errors import QueryFailed

Row = tuple[Any, ...]
BENT = frozenset({"INTERVAL", "TIMESTAMP_NS", "TIME_NS", "TIMESTAMPTZ_NS"})
"""Types that Python's values cannot hold: months are days to it, and nanoseconds are lost."""
ENDLESS = frozenset({
    "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE",
})  # fmt: skip
"""Types whose infinite values become the last or the first day that Python knows."""
_ENDS = (datetime.max, datetime.min, date.max, date.min)
_LAST = (date.min.year, date.max.year)
_NESTED = ("list", "array", "map", "struct")
_OPAQUE = ("union", "tuple")
"""Nested types of which no part can be given another type."""
_FETCHED = 1024
_PLAIN = 8
"""Bytes that a number counts."""
_NOTABLE = 1_000_000
"""Bytes of a batch whose rows are looked at one by one."""
_TEXTS = frozenset({"VARCHAR", "BLOB"})
_FIXED = ENDLESS | frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "FLOAT", "DOUBLE", "TIME",
})  # fmt: skip


class Asked(NamedTuple):
    """An answer as it is fetched."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[Row]
    truncated: bool


def ask(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    rows_of: Callable[[int], int],
    room: int = sys.maxsize,
    parsed: duckdb.Statement | str | None = None,
) -> Asked:
    """Run a query and keep at most so many rows and bytes, every value exact.

    `rows_of` takes the number of columns. What Python has no value for is asked for once more,
    as text. `parsed` is `sql` as the engine reads it, where that is known.
    """
    cursor = con.execute(sql if parsed is None else parsed)
    described = cursor.description or []
    columns, kinds = [str(d[0]) for d in described], [d[1] for d in described]
    most = rows_of(len(columns))
    casts = [_as_text(k, BENT) for k in kinds]
    if any(casts):
        cursor = con.execute(_cast(sql, columns, casts))
    held = [cast or str(kind) for cast, kind in zip(casts, kinds, strict=True)]
    rows, truncated = _fetched(cursor, held, most, room)
    endless = [_as_text(k, BENT | ENDLESS) for k in kinds]
    places = [i for i, cast in enumerate(endless) if cast != casts[i]]
    if any(_endless(row[i]) for i in places for row in rows):
        held = [cast or str(kind) for cast, kind in zip(endless, kinds, strict=True)]
        again = con.execute(_cast(sql, columns, endless))
        rows, truncated = _fetched(again, held, most, room)
    return Asked(tuple(columns), tuple(map(str, kinds)), rows, truncated)


def first(reader: pa.RecordBatchReader, most: int, room: int) -> tuple[pa.Table, bool]:
    """Return the first rows and bytes of an Arrow stream, and whether more follows."""
    batches, rows, left = list[pa.RecordBatch](), 0, room
    for batch in reader:
        taken = min(batch.num_rows, most - rows, _fitting(batch, left))
        if batch.num_rows and not taken and not rows:
            raise _too_large(room)
        batches.append(batch.slice(0, taken))
        rows, left = rows + taken, left - batches[-1].nbytes
        if taken < batch.num_rows:
            return pa.Table.from_batches(batches, reader.schema), True
    return pa.Table.from_batches(batches, reader.schema), False


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """Return how many rows of a batch have room."""
    if batch.nbytes <= room:
        return int(batch.num_rows)
    fits, over = 0, batch.num_rows
    while over - fits > 1:
        middle = (fits + over) // 2
        fits, over = (middle, over) if batch.slice(0, middle).nbytes <= room else (fits, middle)
    return fits


def _fetched(cursor: Any, types: Sequence[str], most: int, room: int) -> tuple[list[Row], bool]:
    rows, left, largest, step = list[Row](), room, 1, 1
    while True:
        batch = cursor.fetchmany(step)
        weight = _weight_of(batch, types)
        if weight > left or len(rows) + len(batch) > most:
            return _cut(rows, batch, most, room, left)
        rows += batch
        left -= weight
        if len(batch) < step:
            return rows, False
        largest = max(largest, max(map(_weight, batch)) if weight > _NOTABLE else 1)
        # Values are made before they are weighed: few at a time where they are large.
        step = max(1, min(2 * step, _FETCHED, left // largest, most + 1 - len(rows)))


def _cut(
    rows: list[Row], batch: Iterable[Row], most: int, room: int, left: int
) -> tuple[list[Row], bool]:
    """Add the rows of a batch that have room, one by one."""
    for row in batch:
        left -= _weight(row)
        if left < 0 and not rows:
            raise _too_large(room)
        if left < 0 or len(rows) == most:
            break
        rows.append(row)
    return rows, True


def _too_large(room: int) -> QueryFailed:
    return QueryFailed(
        f"A row of the answer is larger than {size(room)}, which is all an answer may be.",
        hint="Select fewer columns or parts of them, or raise PILLION_PRODUCT_MAX_BYTES.",
    )


def _weight_of(batch: Sequence[Row], types: Sequence[str]) -> int:
    """Return what the rows weigh together: by columns, of which most are of one kind."""
    total = _PLAIN * len(batch)
    for column, kind in zip(zip(*batch, strict=True), types, strict=False):
        if kind in _FIXED:
            total += _PLAIN * len(column)
        elif kind in _TEXTS:
            total += _PLAIN * len(column) + sum(map(len, filter(None, column)))
        else:
            total += sum(map(_weight, column))
    return total


def _weight(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value) + _PLAIN
    if isinstance(value, list | tuple):
        return sum(map(_weight, value)) + _PLAIN
    if isinstance(value, dict):
        return sum(map(_weight, value)) + sum(map(_weight, value.values())) + _PLAIN
    return _PLAIN


def _endless(value: Any) -> bool:
    if isinstance(value, date):
        if value.year not in _LAST:
            return False
        return (value.replace(tzinfo=None) if isinstance(value, datetime) else value) in _ENDS
    if isinstance(value, list | tuple):
        return any(map(_endless, value))
    return isinstance(value, dict) and any(map(_endless, (*value, *value.values())))


def _cast(sql: str, columns: Sequence[str], casts: Iterable[str | None]) -> str:
    """Return a query with some of its columns as another type, in the order of its rows."""
    inner = [quoted(f"c{i}") for i in range(len(columns))]
    given = (
        f"{f'CAST({c} AS {cast})' if cast else c} AS {quoted(name)}"
        for c, cast, name in zip(inner, casts, columns, strict=True)
    )
    return f"SELECT {', '.join(given)} FROM (\n{sql}\n) AS q({', '.join(inner)})"


def _as_text(kind: Any, told: frozenset[str]) -> str | None:
    """Return the type with VARCHAR in place of those told as text; None where it holds none."""
    if str(kind) in told:
        return "VARCHAR"
    if kind.id not in (*_NESTED, *_OPAQUE):
        return None
    parts = [(name, part) for name, part in kind.children if not isinstance(part, int)]
    changed = [_as_text(part, told) for _, part in parts]
    if not any(changed):
        return None
    if kind.id in _OPAQUE:
        return "VARCHAR"
    inner = [new or str(part) for (_, part), new in zip(parts, changed, strict=True)]
    match kind.id:
        case "list":
            return f"{inner[0]}[]"
        case "array":
            return f"{inner[0]}[{dict(kind.children)['size']}]"
        case "map":
            return f"MAP({', '.join(inner)})"
    names = [quoted(name) for name, _ in parts]
    return f"STRUCT({', '.join(f'{n} {k}' for n, k in zip(names, inner, strict=True))})"
