"""Open a DuckDB file locked down, and say plainly what is wrong when it cannot be opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import duckdb
import psutil

from tools.messages import quoted
from tools.product.database_file import Short, check_header
from tools.product.disk_space import ran_out
from tools.product.errors import DatabaseLocked, DatabaseUnusable, DiskFull, ProductError
from tools.product.identifiers import folded

LOCKED_DOWN = {"enable_external_access": "false", "lock_configuration": "true"}
LOCK_HOLDER = re.compile(r"lock is held in (?:(?P<program>.+?) \()?PID (?P<pid>\d+)", re.DOTALL)
MOST_PIVOTED = 10_000
"""Values that are too many for a PIVOT: planning 99,000 took 7 s, which nothing interrupts."""
WAYS_IN = (
    "Stop that program; or have it make a copy (COPY FROM DATABASE) and work on that, with a log of"
    " its queries (`--queries`); or let Pillion's product server (`pillion serve`) hold the file,"
    " and ask that."
)
OWNER = "mcp_servers.product"
"""Stands in the command line of each product server."""
INVALIDATED = "database has been invalidated"
LEDGER_SCHEMA = "pillion"
RESTORE = "Restore it from a backup; Pillion changed nothing."


def open_database(
    path: Path | str, *, read_only: bool = False, config: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an existing DuckDB file that can reach nothing outside itself.

    `config` may set memory_limit, threads and the like, never the lock-down itself.
    """
    path = Path(path)
    in_use = _check_file(path)
    short = None
    if not in_use:
        short = check_header(path)
        _check_permissions(path, read_only)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "pivot_limit": MOST_PIVOTED, **(config or {}), **LOCKED_DOWN
    }  # fmt: skip
    try:
        con = duckdb.connect(str(path), read_only=read_only, config=settings)
    except duckdb.Error as exc:
        if ran_out(exc):
            raise DiskFull(
                f"{path} cannot be opened, its disk is full: {_first_line(str(exc))}.",
                hint="Free some there; the database and its log are whole.",
            ) from exc
        raise translated(path, str(exc)) from exc
    try:
        if short is not None and not _holds_all_blocks(con, short):
            raise short.error(path)
        _check_name(con, path)
    except duckdb.Error as exc:
        con.close()
        raise translated(path, str(exc)) from exc
    except BaseException:
        con.close()
        raise
    return con


def _check_name(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise when the file is called like one of its schemas: DuckDB takes its name for either's."""
    # Compared here: the file may hold a macro that is called like a function.
    found = con.execute(
        "SELECT database_name, schema_name FROM duckdb_schemas()"
        " WHERE database_name = current_database()"
    ).fetchall()
    name = str(found[0][0])
    clash = any(folded(schema) == folded(name) for _, schema in found)
    if clash or name.lower() == LEDGER_SCHEMA:
        whose = "Pillion's own schema" if name.lower() == LEDGER_SCHEMA else "a schema in it"
        raise DatabaseUnusable(
            f"{path} is called like {whose}, and DuckDB cannot tell {quoted(name)} apart.",
            hint="Rename the file.",
        )


def given_up(exc: BaseException) -> BaseException | None:
    """Return the error behind `exc` by which the engine gave its instance up, if it did.

    No connection of that instance answers any more; opened anew, the file is as committed.
    """
    found: BaseException | None = exc
    while found is not None:
        # Arrow wraps DuckDB's errors into OSError and keeps only their text.
        if isinstance(found, duckdb.FatalException):
            return found
        if isinstance(found, OSError) and INVALIDATED in str(found):
            return found
        found = found.__cause__ or found.__context__
    return None


def _holds_all_blocks(con: duckdb.DuckDBPyConnection, short: Short) -> bool:
    """Return whether the last block that is in use lies inside a file shorter than its header."""
    try:
        tables = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
            " WHERE NOT internal AND NOT temporary AND database_name = current_database()"
        ).fetchall()
        used = con.execute("SELECT max(block_id) FROM pragma_metadata_info()").fetchall()
        for schema, name in tables:
            used += con.execute(
                "SELECT max(greatest(block_id, list_max(additional_block_ids)))"
                " FROM pragma_storage_info(?) WHERE persistent",
                [f"{quoted(schema)}.{quoted(name)}"],
            ).fetchall()
    except duckdb.Error:
        return False
    return max((block for (block,) in used if block is not None), default=-1) < short.blocks


def _check_file(path: Path) -> bool:
    """Raise unless `path` is a regular file; return whether this process has it open already."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DatabaseUnusable(
            f"There is no file {path}.",
            hint="Check the path; a product's stands in its product.odps.yaml.",
        ) from None
    except PermissionError:
        raise DatabaseUnusable(
            f"{path} may not be reached by this user.", hint="Check the rights of its folders."
        ) from None
    except (OSError, ValueError) as exc:
        raise DatabaseUnusable(f"{str(path)!r} is not a usable path: {exc}.") from exc
    if stat.S_ISDIR(found.st_mode):
        raise DatabaseUnusable(
            f"{path} is a directory, not a DuckDB file.", hint="Name the file inside it."
        )
    if not stat.S_ISREG(found.st_mode):
        raise DatabaseUnusable(f"{path} is a device, pipe or socket, not a DuckDB file.")
    return _open_here(found)


def is_open_here(path: Path) -> bool:
    """Return whether a descriptor of this process is open on the file."""
    return path.exists() and _open_here(path.stat())


def _open_here(found: os.stat_result) -> bool:
    """Return whether a descriptor of this process is open on the file.

    Closing any other descriptor of a file drops the process's POSIX locks on it, DuckDB's own
    among them, so a file that is open here must not be looked into a second time.
    """
    wanted = (found.st_dev, found.st_ino)
    for entry in os.listdir("/dev/fd"):
        try:
            held = os.fstat(int(entry))
        except OSError:
            continue
        if (held.st_dev, held.st_ino) == wanted:
            return True
    return False


def _check_permissions(path: Path, read_only: bool) -> None:
    if read_only:
        return
    if not os.access(path, os.W_OK):
        raise DatabaseUnusable(
            f"{path} is read-only for this user.",
            hint="Give write access, or run Pillion on a copy.",
        )
    if not os.access(path.resolve().parent, os.W_OK):
        raise DatabaseUnusable(
            f"The directory of {path} is read-only for this user; DuckDB keeps its log there.",
            hint="Give write access, or run Pillion on a copy in another directory.",
        )


def damage(path: Path, text: str) -> DatabaseUnusable | None:
    """Return the error where DuckDB's words mean that the file is damaged."""
    if any(sign in text for sign in ("Corrupt", "checksum", "not read enough bytes")):
        return DatabaseUnusable(f"{path} is corrupt: {_first_line(text)}.", hint=RESTORE)
    return None


def translated(path: Path, text: str) -> ProductError:
    """Return the error that says what DuckDB's words mean for the person."""
    if "lock is held" in text or "Could not set lock" in text:
        return _locked(path, text)
    if "different configuration" in text:
        return DatabaseLocked(
            f"{path} is already open in this process with other settings.",
            pid=os.getpid(),
            hint="Close that connection first.",
        )
    if "storage version number" in text or "with version number" in text:
        return _other_format(path, text)
    if "encrypted" in text:
        return DatabaseUnusable(f"{path} is encrypted.", hint="Pillion has no key for it.")
    if "replaying WAL" in text:
        return DatabaseUnusable(
            f"The write-ahead log {path}.wal is corrupt: {_first_line(text)}.",
            hint="Restore both files from a backup. Moving the log away opens the database as of"
            " its last checkpoint and loses what was written since.",
        )
    if (found := damage(path, text)) is not None:
        return found
    if "Permission denied" in text:
        return DatabaseUnusable(
            f"{path} may not be opened by this user.", hint="Check its rights, or use a copy."
        )
    return DatabaseUnusable(f"{path} could not be opened: {_first_line(text)}.")


def _locked(path: Path, text: str) -> DatabaseLocked:
    holder = LOCK_HOLDER.search(text)
    if holder is None:
        return DatabaseLocked(f"{path} is locked by another process.", hint=WAYS_IN)
    pid = int(holder["pid"])
    if _is_ours(pid):
        return DatabaseLocked(
            f"{path} is held by Pillion's own product server (PID {pid}), of another command or of"
            " `pillion serve`.",
            pid=pid,
            hint="Wait for that command, or end the server.",
        )
    program = f"{holder['program']} " if holder["program"] else ""
    return DatabaseLocked(
        f"{path} is locked by another process: {program}(PID {pid}).", pid=pid, hint=WAYS_IN
    )


def _is_ours(pid: int) -> bool:
    try:
        return OWNER in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _other_format(path: Path, text: str) -> DatabaseUnusable:
    number = re.search(r"version number (\d+)", text)
    written = f"storage format {number[1]}" if number else "another storage format"
    if "newer version" in text:
        return DatabaseUnusable(
            f"{path} has {written}, newer than DuckDB {duckdb.__version__} here can read.",
            hint="Upgrade DuckDB for Pillion, or write the file with an older STORAGE_VERSION.",
        )
    return DatabaseUnusable(
        f"{path} has {written}, which DuckDB {duckdb.__version__} here cannot read.",
        hint="EXPORT DATABASE with the DuckDB that wrote it, IMPORT DATABASE with this one.",
    )


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return line.removeprefix("IO Error: ").rstrip(".")
