"""The disk under a database: that it is full, what a change writes to it, when to checkpoint.

A commit that finds no room leaves everything as it was. A checkpoint that finds none takes the
engine's whole instance down, and what the log holds then has to fit before the file opens again.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import duckdb

from tools.messages import (
    Change,
    CreateIndex,
    DropIndex,
    DropTable,
    TableName,
    change_target,
    quoted,
)
from tools.numbers import size
from tools.product.catalog import Table
from tools.product.change_plan import kept_name
from tools.product.errors import DiskFull
from tools.product.rebuild import refers

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SIGNS = ("No space left", "quota exceeded", "File too large", "disk space", "space on disk")
ENTRY_BYTES = 40
"""Of an index entry whose key is a number; 38 were measured for random ones, fewer for others."""
SAMPLED_ROWS = 2000
MARGIN_BYTES = 64 * 1024 * 1024
_COPYING = ("change_type", "sort_table", "drop_column", "drop_table", "add_check")
_REBUILDING = ("change_type", "sort_table", "drop_column", "add_check", "add_not_null")


def ran_out(exc: BaseException) -> bool:
    """Return whether an error of system, engine or SQLite says that there is no space left."""
    if isinstance(exc, OSError) and exc.errno in FULL:
        return True
    if isinstance(exc, sqlite3.Error):
        # SQLite calls its index of the log, when that finds no room, an I/O error.
        return getattr(exc, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
    return isinstance(exc, OSError | duckdb.Error) and any(s in str(exc) for s in _SIGNS)


class Need(NamedTuple):
    """What a change writes beside a database, in bytes; estimates."""

    change: Change
    directory: Path
    indexes: int
    """Log and file together. Without room for both the database could not be opened again."""
    rows: int
    """Of the table's other copies; without room for them the change fails and leaves nothing."""
    doing: str = ""
    """What is done with the change, where it is not made: `undo of`."""

    @contextmanager
    def room(self) -> Iterator[None]:
        """Raise `DiskFull` with the sizes: before the block for the indexes, or as it runs out."""
        if shutil.disk_usage(self.directory).free < self.indexes:
            raise self.short()
        try:
            yield
        except DiskFull as exc:
            raise self.short() from exc

    def short(self) -> DiskFull:
        """Return what to tell where the change didn't fit."""
        free = shutil.disk_usage(self.directory).free
        wanted = self.indexes + self.rows
        tells = f"writes about {size(wanted)} there" if wanted > free else "found that too little"
        return DiskFull(
            f"{self.directory} has {size(free)} free;{self.doing and ' '}{self.doing}"
            f" {self.change.kind} of {change_target(self.change)} {tells}.",
            hint="Nothing was changed. Free some.",
        )


def need(con: duckdb.DuckDBPyConnection, database: Path, table: Table, change: Change) -> Need:
    """Return what a change of `table` is going to write."""
    keys = [i.columns for i in table.indexes] if change.kind in _REBUILDING else []
    if isinstance(change, CreateIndex):
        keys = [change.columns]
    return _need(con, database, table, change, keys)


def need_to_undo(
    con: duckdb.DuckDBPyConnection,
    database: Path,
    table: Table | None,
    then: Table,
    change: Change,
    key: str,
) -> Need:
    """Return what taking a change back is going to write; `then` is the table as it was before.

    What was kept for it and is gone weighs nothing: the undo itself says that it is missing.
    """
    nothing = Need(change, database.resolve().parent, 0, 0)
    keys = [i.columns for i in (table or then).indexes] if change.kind in _REBUILDING else []
    if isinstance(change, DropIndex):
        keys = [i.columns for i in then.indexes if i.name == change.name]
    if isinstance(change, DropTable):
        keys = [i.columns for i in then.indexes]
        table = then.model_copy(update={"name": kept_name("table", key)})
    if table is None:
        return nothing
    try:
        return _need(con, database, table, change, keys)._replace(doing="undo of")
    except (duckdb.CatalogException, duckdb.BinderException):
        return nothing


def _need(
    con: duckdb.DuckDBPyConnection,
    database: Path,
    table: Table,
    change: Change,
    keys: Sequence[tuple[str, ...]],
) -> Need:
    """Return what indexes of those columns and copies of the table take, where it is copied."""
    per_row = sum(ENTRY_BYTES + _text_bytes(con, table, columns) for columns in keys)
    rows = _table_bytes(con, table.name) if change.kind in _COPYING else 0
    if change.kind in _REBUILDING and refers(table):
        rows *= 2
    return Need(change, database.resolve().parent, 2 * per_row * table.rows, rows)


def _text_bytes(con: duckdb.DuckDBPyConnection, table: Table, columns: tuple[str, ...]) -> int:
    """Return the mean length of the texts that a key takes in, twice: a tree branches on them."""
    texts = [
        f"coalesce(octet_length(encode({quoted(column.name)})), 0)"
        for column in map(table.column, columns)
        if column is not None and column.type == "VARCHAR"
    ]
    if not texts:
        return 0
    sampled = f"SELECT {' + '.join(texts)} AS n FROM {table.name.sql} LIMIT {SAMPLED_ROWS}"
    mean = con.execute(f"SELECT avg(n) FROM ({sampled})").fetchall()[0][0]
    return round(2 * (mean or 0))


def _table_bytes(con: duckdb.DuckDBPyConnection, name: TableName) -> int:
    """Return the bytes of the blocks that hold a table; what only the log holds is left out."""
    block = con.execute("SELECT block_size FROM pragma_database_size()").fetchall()[0][0]
    used = con.execute(
        "SELECT count(DISTINCT id) FROM (SELECT unnest([block_id] || coalesce("
        "additional_block_ids, [])) AS id FROM pragma_storage_info(?) WHERE persistent)"
        " WHERE id >= 0",
        [name.sql],
    ).fetchall()[0][0]
    return int(used * block)


def checkpoint(con: duckdb.DuckDBPyConnection) -> None:
    """Take the log into the file, unless others hold it off or the disk could be too small.

    Both are harmless: the next checkpoint catches up.
    """
    paths = con.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    if paths[0][0] is not None and not _fits(Path(paths[0][0])):
        return
    with suppress(duckdb.TransactionException):
        con.execute("CHECKPOINT")


def _fits(database: Path) -> bool:
    log = database.with_name(database.name + ".wal")
    logged = log.stat().st_size if log.exists() else 0
    if logged == 0:
        return True
    wanted = min(database.stat().st_size + logged, 2 * logged + MARGIN_BYTES)
    return shutil.disk_usage(database.parent).free >= wanted
