"""What a change costs those who write: batches inserted and committed on two scratch copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb

from tools.messages import quoted
from tools.product.catalog import Column, Table
from tools.product.errors import Refused
from tools.product.measure import Pairing, processor

BATCHES = 7
LEAST = 2
"""Fewest batches behind a price."""
WARM = 1
CELLS = 500_000
"""Most values of one batch: a table of thousands of columns gets fewer rows."""
_INTEGERS = frozenset(
    "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT".split()
)
_UNIQUE = ("PRIMARY KEY", "UNIQUE")


def time_inserts(
    base: tuple[duckdb.DuckDBPyConnection, Table],
    trial: tuple[duckdb.DuckDBPyConnection, Table],
    rows: int,
    late: Callable[[], bool],
    *,
    same_order: bool = True,
) -> Pairing | None:
    """Return what insert batches took before and after; None where none could be made up.

    The batches are existing rows with fresh keys, committed, because an index is paid at commit.
    Half of a batch are rows from all over the table, as corrections come, half its last rows, as
    loads bring: what keeps a summary or an index costs by how many places of it a batch changes.
    Where the sides have other orders (`same_order` is false), the last rows would be others.
    Once it is `late` no further batch begins when two are in.
    Raises `Refused` when the table took the rows before and takes them no more.
    """
    if not base[1].rows:
        return None
    rows = max(1, min(rows, CELLS // max(1, len(base[1].columns))))
    taken = Pairing("inserts", "", "", weight=1.0, seconds=0.0)
    try:
        ends = _end(*base), _end(*trial)
        last = rows // 2 if same_order else 0
        _keep_rows(*base, rows - last, last, ends[0])
        _keep_rows(*trial, rows - last, last, ends[1])
    except (duckdb.Error, ValueError):
        # A column of its own may be called `rowid`.
        return None
    for batch in range(1, BATCHES + WARM + 1):
        if len(taken.before) >= LEAST and late():
            break
        try:
            _make_up(*base, batch, ends[0])
            _make_up(*trial, batch, ends[1])
            old = _insert(*base)
        except duckdb.Error:
            return None
        try:
            new = _insert(*trial)
        except duckdb.ConstraintException:
            # A new rule may well refuse the keys we made up.
            return None
        except duckdb.Error as exc:
            raise Refused(f"inserts would fail: {str(exc).splitlines()[0][:200]}") from exc
        if batch > WARM:
            taken.before.append(old)
            taken.after.append(new)
    return taken


def _end(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Return the number behind that of the last row: deleted rows leave numbers without a row."""
    last = con.execute(f"SELECT coalesce(max(rowid), -1) FROM {table.name.sql}").fetchall()[0][0]
    return int(last) + 1


def _keep_rows(
    con: duckdb.DuckDBPyConnection, table: Table, spread: int, last: int, end: int
) -> None:
    """Keep so many rows spread over those before `end`, and so many last ones of them."""
    name, place = table.name.sql, "row_number() OVER ()"
    held = con.execute(f"SELECT count(*) FROM {name} WHERE rowid < {end}").fetchall()[0][0]
    step = max(1, (held - last) // spread)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE pillion_rows AS SELECT {_names(table)} FROM {name}"
        f" WHERE rowid IN (SELECT rowid FROM {name} WHERE rowid < {end} QUALIFY {place} >"
        f" {held - last} OR {place} <= {step * spread} AND ({place} - 1) % {step} = 0)"
    )


def _make_up(con: duckdb.DuckDBPyConnection, table: Table, batch: int, end: int) -> None:
    """Make a batch of the rows kept; those made up begin at `end`."""
    keys = _key_columns(table)
    if batch > 1 and not keys:
        # Its rows are those of the batch before.
        return
    values = ", ".join(
        _value(c, table, batch, end) if c.name in keys else quoted(c.name) for c in _written(table)
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE pillion_batch AS SELECT {values} FROM temp.main.pillion_rows"
    )


def _insert(con: duckdb.DuckDBPyConnection, table: Table) -> float:
    names = _names(table)
    started = processor()
    con.execute(f"INSERT INTO {table.name.sql} ({names}) SELECT * FROM temp.main.pillion_batch")
    return (processor() - started) * 1000


def _names(table: Table) -> str:
    return ", ".join(quoted(c.name) for c in _written(table))


def _written(table: Table) -> list[Column]:
    return [c for c in table.columns if c.generated is None]


def _value(column: Column, table: Table, batch: int, end: int) -> str:
    name = quoted(column.name)
    if column.type in _INTEGERS:
        old = f"{table.name.sql} WHERE rowid < {end}"
        return f"{name} + {batch} * (SELECT max({name}) - min({name}) + 1 FROM {old}) AS {name}"
    return f"{name} || '~{batch}' AS {name}" if column.type == "VARCHAR" else name


def _key_columns(table: Table) -> frozenset[str]:
    """Return one column of each key, whose change makes a row new; a reference only if need be."""
    references = {n for c in table.constraints if c.kind == "FOREIGN KEY" for n in c.columns}
    keys = [c.columns for c in table.constraints if c.kind in _UNIQUE]
    keys += [i.columns for i in table.indexes if i.unique]
    return frozenset(name for key in keys if (name := _movable(key, table, references)))


def _movable(key: Iterable[str], table: Table, references: set[str]) -> str | None:
    columns = [c for name in key if (c := table.column(name)) is not None]
    movable = [c for c in columns if c.type in _INTEGERS or c.type == "VARCHAR"]
    movable.sort(key=lambda c: (c.name in references, c.type == "VARCHAR"))
    return movable[0].name if movable else None
