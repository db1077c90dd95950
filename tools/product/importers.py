"""Reading workloads from files: SQL scripts, query logs with durations, DuckDB's QueryLog."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tools.failpoints import crash_point
from tools.product.errors import ImportFailed
from tools.product.fingerprint import split_text
from tools.product.half_rows import forget_half, may_be_half, note_half
from tools.product.log_values import duration, moment
from tools.product.workload import Source, Unread, UnreadRow
from tools.product.workload_store import (
    CALLER_LENGTH,
    Observation,
    WorkloadStore,
    add,
    forget_script,
    note_script,
    note_unread,
)

# Of each kind the first that a log has is read.
SQL_COLUMNS = ("sql", "query", "statement", "query_text", "message")
TIME_COLUMNS = ("timestamp", "at", "start_time", "time", "ts")
MS_COLUMNS = {
    "ms": 1.0, "duration_ms": 1.0, "elapsed_ms": 1.0, "duration": 1.0, "latency_ms": 1.0,
    "seconds": 1000.0, "duration_s": 1000.0, "elapsed_s": 1000.0, "latency_s": 1000.0,
    "duration_us": 1e-3, "elapsed_us": 1e-3, "latency_us": 1e-3,
    "duration_ns": 1e-6, "elapsed_ns": 1e-6, "latency_ns": 1e-6,
}  # fmt: skip
CALLER_COLUMNS = ("caller", "user", "user_name", "username")
MAX_FIELD = 10_000_000
FIRST_UNREAD = 5
"""Most rows that could not be read that are named."""
PROGRESS_EVERY = 5000
NO_QUERIES = frozenset({"duckdb_log_contexts.csv"})
"""Written by DuckDB beside its log of queries."""
MADE_BY_DUCKDB = "__pivot_enum_"
"""In the statements DuckDB makes of a PIVOT and logs in its place; they run nowhere else."""
_COMMENT_LINES = re.compile(r"\A(?:\s*--[^\n]*(?:\n|\Z))+")
OnProgress = Callable[[int, int], None]


class Imported(NamedTuple):
    """How many runs were read, and the rows that could not be, or not whole."""

    runs: int
    unread: Unread = Unread()
    already: bool = False


def import_path(
    path: Path, store: WorkloadStore, on_progress: OnProgress | None = None
) -> Imported:
    """Import a .sql file, a .csv log, or every such file of a directory; each run only once.

    Of a log that grew since only what was added is taken, and its last row again where that was
    half written; a log begun anew adds to it. A script replaces what it said before. Raises
    `ImportFailed` when nothing can be read.
    """
    if os.path.isdir(path):
        parts = [import_path(p, store, on_progress) for p in _files(path)]
        return Imported(sum(p.runs for p in parts), together(p.unread for p in parts))
    data = _text(path)
    digest = _digest(data)
    with store.transaction() as con:
        script = path.suffix.lower() == ".sql"
        known = con.execute("SELECT path FROM imports WHERE hash = ?", (digest,)).fetchone()
        if script and known != (str(path),):
            forget_script(con, str(path))
        if known:
            return Imported(0, already=True)
        counter = _Counter(path, on_progress, data.count("\n") + 1)
        read = _sql_file if script else _log_file
        # What was added to a script may go on with its last statement.
        taken = 0 if script else _taken(con, path, data)
        fresh = islice(counter.watch(read(path, data, counter)), taken, None)
        runs = _add_script(con, path, fresh) if script else add(con, fresh)
        if not runs and not taken:
            raise ImportFailed(f"{path} holds no statement.", hint=counter.why)
        note_unread(con, str(path), counter.unread)
        note_half(con, str(path), digest, counter.half)
        crash_point("import.before_commit")
        con.execute(
            "INSERT INTO imports VALUES (?, ?, ?, ?, ?)",
            (digest, str(path), len(data), taken + runs, datetime.now(UTC).isoformat()),
        )
    return Imported(runs, counter.unread)


def together(parts: Iterable[Unread]) -> Unread:
    """Return what several imports could not read, as one."""
    parts = list(parts)
    first = tuple(row for part in parts for row in part.first)
    return Unread(total=sum(p.total for p in parts), first=first[:FIRST_UNREAD])


def _add_script(con: sqlite3.Connection, path: Path, statements: Iterator[Observation]) -> int:
    observations = list(statements)
    note_script(con, str(path), (o.sql for o in observations))
    return add(con, observations)


def _digest(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()


def _taken(con: sqlite3.Connection, path: Path, data: str) -> int:
    """Return how many runs stand that were read from this log when it was shorter."""
    earlier = con.execute(
        "SELECT hash, size, rows FROM imports WHERE path = ? AND size < ? ORDER BY size DESC",
        (str(path), len(data)),
    )
    for known, size, rows in earlier:
        if _digest(data[:size]) == known:
            return int(rows) - forget_half(con, str(path), known)
    return 0


def _files(directory: Path) -> list[Path]:
    try:
        found = sorted(directory.iterdir())
    except OSError as exc:
        raise ImportFailed(f"{directory} cannot be read: {exc.strerror}.") from exc
    files = [p for p in found if p.suffix.lower() in (".sql", ".csv") and p.name not in NO_QUERIES]
    if not files:
        inner = any(p.is_dir() for p in found)
        hint = "Directories in it are not looked into; name them." if inner else ""
        raise ImportFailed(f"{directory} holds no .sql or .csv file.", hint=hint)
    return files


class _Counter:
    def __init__(self, path: Path, on_progress: OnProgress | None, total: int) -> None:
        self._path, self._unread = str(path), 0
        self._first: list[UnreadRow] = []
        self._on_progress, self._total = on_progress, total
        self.half: Observation | None = None
        """The last run, where its row may be half written."""

    @property
    def unread(self) -> Unread:
        return Unread(total=self._unread, first=tuple(self._first))

    @property
    def why(self) -> str:
        """Why nothing could be read, in the words of the first row that could not."""
        return f"Line {self._first[0].line}: {self._first[0].reason}." if self._first else ""

    def note(self, line: int, reason: str) -> None:
        """Note a row that could not be read, or not whole."""
        self._unread += 1
        if len(self._first) < FIRST_UNREAD:
            self._first.append(UnreadRow(file=self._path, line=line, reason=reason))

    def watch(self, observations: Iterator[Observation]) -> Iterator[Observation]:
        for done, observation in enumerate(observations):
            if self._on_progress is not None and done % PROGRESS_EVERY == 0:
                self._on_progress(done, self._total)
            yield observation


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as exc:
        raise ImportFailed(f"{path} does not exist.") from exc
    except OSError as exc:
        raise ImportFailed(f"{path} cannot be read: {exc.strerror}.") from exc
    if not raw.strip():
        raise ImportFailed(f"{path} is empty.")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportFailed(
            f"{path} is UTF-16 text, not UTF-8.", hint="Convert it: iconv -f UTF-16 -t UTF-8."
        )
    if b"\x00" in raw[:4096]:
        raise ImportFailed(f"{path} is a binary file, not SQL or CSV.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ImportFailed(
            f"{path} is not UTF-8 text (byte {exc.start}).", hint="Convert it with iconv."
        ) from exc


def _sql_file(path: Path, data: str, counter: _Counter) -> Iterator[Observation]:
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for part in split_text(data):
        statement = _clean(part)
        if statement:
            yield Observation(sql=statement, at=at, ms=None, source="sql_file")


class _Lines:
    """The lines of a file, and where a row began: it may go over several."""

    def __init__(self, data: str) -> None:
        self._data = data
        self._lines = io.StringIO(data, newline="")
        self._number = self._offset = 0
        self._between = True
        self.began = self.start = 0
        """The line, from 1, and how many characters stand before it."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        if self._between and line.strip("\r\n"):
            self.began, self.start, self._between = self._number, self._offset, False
        self._offset += len(line)
        return line

    @property
    def row(self) -> str:
        """The text of the row that was read last, as it is written."""
        return self._data[self.start : self._offset]

    def end_row(self) -> None:
        """Say that the next line begins a row."""
        self._between = True


def _log_file(path: Path, data: str, counter: _Counter) -> Iterator[Observation]:
    csv.field_size_limit(MAX_FIELD)
    lines = _Lines(data)
    mark = _delimiter(data)
    reader = csv.DictReader(lines, delimiter=mark)
    try:
        names = {(n or "").strip().lower(): n for n in reader.fieldnames or ()}
    except csv.Error as exc:
        raise ImportFailed(f"{path} is not readable as CSV: {exc}.") from exc
    sql = next((names[c] for c in SQL_COLUMNS if c in names), None)
    if sql is None:
        raise _no_sql(path, names)
    columns = _Columns(
        sql,
        next((names[c] for c in TIME_COLUMNS if c in names), None),
        next(((names[c], f) for c, f in MS_COLUMNS.items() if c in names), None),
        names.get("type") if sql.lower() == "message" else None,
        next((names[c] for c in CALLER_COLUMNS if c in names), None),
        mark,
    )
    _check_single(path, reader.fieldnames or (), columns)
    run: Observation | None = None
    while True:
        lines.end_row()
        try:
            run, flaw = _run(next(reader), columns, lines)
        except StopIteration:
            if run is not None and may_be_half(data[lines.start :], mark):
                counter.half = run
            return
        except csv.Error as exc:
            run, flaw = None, f"not CSV: {exc}"
        if flaw:
            counter.note(lines.began, flaw)
        if run is not None:
            yield run


def _check_single(path: Path, header: Iterable[str | None], columns: _Columns) -> None:
    """Raise where a column that is read is there twice: which one is meant nobody can tell."""
    ms, _ = columns.ms or (None, 1.0)
    many = Counter((name or "").strip().lower() for name in header)
    for name in (columns.sql, columns.at, ms, columns.kind, columns.caller):
        called = (name or "").strip().lower()
        if many[called] > 1 and called:
            raise ImportFailed(
                f"{path} has more than one column called {called}.",
                hint="Rename those that are not meant.",
            )


def _no_sql(path: Path, names: Collection[str]) -> ImportFailed:
    if path.suffix.lower() != ".csv":
        return ImportFailed(
            f"{path} was read as a query log (CSV) and has no column with SQL.",
            hint="Let the name of a file of statements end in .sql; of a log in another format"
            " make a CSV with a column sql.",
        )
    hint = f"Name it one of {', '.join(SQL_COLUMNS)}."
    if len(names) == 1:
        hint += " Commas, semicolons or tabs may part the columns."
    return ImportFailed(
        f"{path} has no column with SQL. It has: {', '.join(names) or 'nothing'}.", hint=hint
    )


def _delimiter(data: str) -> str:
    """Return what parts the names of the columns: a comma, or what spreadsheets write instead."""
    head = data.lstrip().partition("\n")[0]
    return next((d for d in (",", ";", "\t") if d in head), ",")


class _Columns(NamedTuple):
    sql: str
    at: str | None
    ms: tuple[str, float] | None
    kind: str | None
    caller: str | None
    mark: str
    """What parts the fields."""


def _run(
    row: dict[str | None, Any], columns: _Columns, lines: _Lines
) -> tuple[Observation | None, str]:
    """Return the run a row tells of, if any, and what cannot be read, without a word of the row."""
    text = row.get(columns.sql)
    reason = _no_run(text, row, columns)
    if reason or not isinstance(text, str):
        return None, reason
    if any(more.strip() for more in row.get(None) or ()) and not _quoted(text, lines.row):
        return None, "it has more fields than the first row; SQL that holds commas needs quotes"
    at, late = moment(row.get(columns.at) if columns.at else None)
    name, factor = columns.ms or (None, 1.0)
    ms, slow = duration(row.get(name) if name else None, factor, columns.mark)
    source: Source = "duckdb_log" if columns.kind is not None else "query_log"
    caller = _caller(row.get(columns.caller)) if columns.caller else None
    run = Observation(sql=_clean(text), at=at, ms=ms, source=source, caller=caller)
    return run, "; ".join(filter(None, (late, slow)))


def _quoted(text: str, row: str) -> bool:
    return '"' + text.replace('"', '""') + '"' in row


def _no_run(text: object, row: dict[str | None, Any], columns: _Columns) -> str:
    """Return why a row tells of no run; nothing where it does."""
    if not isinstance(text, str):
        return f"it ends before its field {columns.sql.strip()}"
    if not _clean(text):
        return "it holds no SQL" if not text.strip() else "its SQL is a comment and nothing else"
    if columns.kind is not None and row.get(columns.kind) != "QueryLog":
        return "it is no entry of DuckDB's QueryLog"
    if columns.kind is not None and MADE_BY_DUCKDB in text:
        return "DuckDB made its SQL of a PIVOT, and it runs nowhere else"
    return ""


def _caller(text: object) -> str | None:
    """Return who asked; None where the log names nobody."""
    return (text.strip()[:CALLER_LENGTH] or None) if isinstance(text, str) else None


def _clean(sql: str) -> str:
    """Drop leading comment lines and the trailing semicolon; the rest stays as it was."""
    return _COMMENT_LINES.sub("", sql.strip(), count=1).strip().rstrip(";").rstrip()
