"""The owner: the one process that holds the DuckDB file, and everything done with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from tools.messages import CreateSummary, TableName
from tools.product.candidates.whole_numbers import NOT_WHOLE
from tools.product.catalog import Catalog, Table, read_catalog, read_table
from tools.product.deadlines import Deadlines, Leave
from tools.product.dispatch import dispatched
from tools.product.errors import ProductError, QueryFailed
from tools.product.exact_rows import Asked, ask, first
from tools.product.executor import ActiveRewrite, dispatch_rewrites
from tools.product.fingerprint import analyse
from tools.product.guard import check_read_only
from tools.product.idle_texts import idle_texts
from tools.product.kept_statements import KeptStatements
from tools.product.live import Timings
from tools.product.opening import damage, is_open_here, open_database
from tools.product.out_of_reach import out_of_reach, reason
from tools.product.stale_summaries import without_stale
from tools.product.stored_queries import Macro
from tools.product.summaries import sweep
from tools.product.tap import Tap
from tools.product.workload import QueryPattern, TableUse, Workload
from tools.product.workload_store import WorkloadStore

REWRITE_CACHE = 4096
FETCHED_AT_ONCE = 10_000
BATCH = 2048
NO_FAULT = (duckdb.FatalException, duckdb.InterruptException, duckdb.ConnectionException)
"""How a query ends whose database ends: that says nothing of the query."""
T = TypeVar("T")
OnQuery = Callable[[int, int], None]
"""Takes the turn and the place in it of the query that is timed next."""


@dataclass(frozen=True)
class Limits:
    """What one consumer's query may cost."""

    seconds: float = 30.0
    rows: int = 100_000
    bytes: int = 200_000_000
    left: Leave | None = None
    """Set when nobody waits for the answer any more; then the query is stopped."""


@dataclass(frozen=True)
class Rows:
    """A query's answer: at most `limits.rows` rows and `limits.bytes` bytes."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool
    ms: float


class ArrowRows(NamedTuple):
    """A query's answer as a pyarrow Table, within the same limits."""

    table: pa.Table
    truncated: bool


@dataclass(frozen=True)
class _Dispatch:
    """The approved rewrites of one moment, and what they made of texts."""

    rewrites: tuple[ActiveRewrite, ...]
    texts: dict[str, str] = field(default_factory=dict)


class Owner:
    """Holds the database, its write lock and the tap on what consumers ask."""

    def __init__(self, database: Path, store: WorkloadStore, config: dict[str, str]) -> None:
        self.database = database
        self.store = store
        self.lock = threading.RLock()
        """Taken by every write and by the snapshot; readers don't need it."""
        alone = not is_open_here(database)
        self._con = open_database(database, config=config)
        self._tap = Tap(store)
        self._deadlines = Deadlines()
        self._statements = KeptStatements()
        self._dispatch = _Dispatch(dispatch_rewrites(self._con))
        if alone:
            sweep(self._con, (r.change for r in self._dispatch.rewrites))
        self._macros: tuple[Macro, ...] | None = None

    def close(self) -> None:
        """Flush the tap and release the file."""
        self._tap.close()
        self._deadlines.close()
        self._con.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own for the calling thread."""
        return self._con.cursor()

    def catalog(self) -> Catalog:
        """Read what is in the database now, but for macros.

        Nobody else can make one while this holds the file, and Pillion makes none.
        """
        with self.cursor() as con:
            found = read_catalog(con, macros=self._macros)
        self._macros = found.macros
        return found

    def to_change(self, present: Catalog) -> Catalog:
        """Return what is there, but for stale summaries: another may be made in their place."""
        with self.cursor() as con:
            return without_stale(con, present)

    def idle_texts(self, catalog: Catalog) -> tuple[str, ...]:
        """Say what was approved and answers less than it was approved for."""
        with self.cursor() as con:
            return idle_texts(con, catalog)

    def table(self, name: TableName) -> Table | None:
        """Read what one table is now; None where there is none of that name."""
        with self.cursor() as con:
            return read_table(con, name)

    def probe(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run Pillion's own read-only SQL; never logged as workload."""
        with self.cursor() as con:
            try:
                return con.execute(sql, list(parameters)).fetchall()
            except duckdb.Error as exc:
                said = str(exc)
                told = damage(self.database, said) if said.startswith("Corrupt") else None
                raise told or QueryFailed(f"The engine refused a probe: {said}") from exc

    def workload(self, catalog: Catalog) -> Workload:
        """Return what is asked of the product, each text as it is really answered by now."""
        asked = self.store.workload(catalog)
        if not self._dispatch.rewrites:
            return asked
        patterns = tuple(self._answered(p, catalog) for p in asked.patterns)
        # Which patterns beyond the listed a summary answers is not known.
        summaries = tuple(
            TableUse(table=r.change.summary, whole=True)
            for r in self._dispatch.rewrites
            if isinstance(r.change, CreateSummary)
        )
        unlisted = (*summaries, *asked.unlisted) if asked.unlisted else ()
        return asked.model_copy(update={"patterns": patterns, "unlisted": unlisted})

    def _answered(self, pattern: QueryPattern, catalog: Catalog) -> QueryPattern:
        text = self.rewritten(check_read_only(pattern.sql))
        if text == check_read_only(pattern.sql) or (NOT_WHOLE in text and self._gives_up(text)):
            return pattern
        tables = dict.fromkeys((*pattern.tables, *analyse(text, catalog).tables))
        return pattern.model_copy(update={"sql": text, "tables": tuple(tables), "rewritten": True})

    def _gives_up(self, text: str) -> bool:
        """Whether an approved text fails today, so that the query is answered by its own."""
        limits = Limits()
        with self.cursor() as con, self._deadlines.stopped_after(limits.seconds, con):
            try:
                con.execute(text).fetchmany(limits.rows)
            except duckdb.Error:
                return True
        return False

    def refresh_rewrites(self) -> None:
        """Read the approved rewrites again, after a change."""
        with self.cursor() as con:
            self._dispatch = _Dispatch(dispatch_rewrites(con))

    def rewritten(self, sql: str) -> str:
        """Return the approved equivalent of `sql`, or `sql` itself.

        Looked up once per text; with no approved rewrite it costs nothing.
        """
        # One value: a change meanwhile swaps it whole, and what is kept goes with it.
        dispatch = self._dispatch
        if not dispatch.rewrites:
            return sql
        text = dispatch.texts.get(sql)
        if text is None:
            if len(dispatch.texts) >= REWRITE_CACHE:
                dispatch.texts.clear()
            with self.cursor() as con:
                text = dispatch.texts[sql] = dispatched(con, sql, dispatch.rewrites)
        return text

    def _answered_by(self, statement: str, run: Callable[[str], T]) -> T:
        """Run a query by its approved text, or by its own where that fails.

        An undo may have taken the text's table, and other words may fail where the query does not.
        """
        text = self.rewritten(statement)
        try:
            return run(text)
        except (duckdb.Error, OSError) as exc:
            if text == statement or isinstance(exc, NO_FAULT) or _stopped(exc):
                raise
            if isinstance(exc, duckdb.CatalogException):
                self.refresh_rewrites()
            return run(statement)

    def execute(self, con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a text on `con` as a consumer's query is run, without its tap, time and limits."""
        return con.execute(self._statements.of(con, self.rewritten(check_read_only(sql))))

    def query(self, sql: str, caller: str, limits: Limits) -> Rows:
        """Run one consumer's query: checked, tapped, timed out, cut at the limits."""
        statement = check_read_only(sql)

        def run_text(text: str) -> Asked:
            parsed = self._statements.of(run.con, text)
            return ask(run.con, text, lambda _: limits.rows, limits.bytes, parsed)

        with self._running(statement, caller, limits) as run:
            found = self._answered_by(statement, run_text)
        return Rows(*found, run.ms)

    def query_arrow(self, sql: str, caller: str, limits: Limits) -> ArrowRows:
        """Run one consumer's query and keep what is within the limits, as Arrow."""
        statement = check_read_only(sql)
        with self._running(statement, caller, limits) as run:
            found = self._answered_by(
                statement,
                lambda text: _batches(run.con, self._statements.of(run.con, text), limits),
            )
        return ArrowRows(*found)

    def _running(self, sql: str, caller: str, limits: Limits) -> _Running:
        con = self.cursor()
        until = self._deadlines.stopped_after(limits.seconds, con, limits.left)
        return _Running(con, until, self._tap, _Asked(sql, caller, limits))

    def time_queries(
        self,
        texts: Iterable[str],
        repetitions: int,
        seconds: float,
        on_query: OnQuery = lambda turn, at: None,
    ) -> Timings:
        """Time read-only queries on live in turns: each twice at least, first to warm up.

        Each run has `seconds`; when all of them took as long, no further turn goes on.
        """
        found = Timings()
        ends = time.monotonic() + seconds
        wanted = [t for t in dict.fromkeys(texts)]
        for turn in range(repetitions + 1):
            for at, text in enumerate(wanted):
                if time.monotonic() > ends and turn > 1:
                    return found
                on_query(turn, at)
                try:
                    ms = self._time_one(text, seconds)
                except (duckdb.Error, ProductError) as exc:
                    if isinstance(exc, NO_FAULT):
                        raise
                    found.failed[text] = str(exc).splitlines()[0]
                    continue
                if turn > 0:
                    found.samples.setdefault(text, []).append(ms)
        return found

    def _time_one(self, text: str, seconds: float) -> float:
        with self.cursor() as con:
            statement = self.rewritten(check_read_only(text))
            with self._deadlines.stopped_after(seconds, con) as stopped:
                started = time.perf_counter()
                try:
                    con.execute(statement)
                    while con.fetchmany(FETCHED_AT_ONCE):
                        pass
                except duckdb.InterruptException:
                    if not stopped.is_set():
                        raise
                    return seconds * 1000
                return (time.perf_counter() - started) * 1000

    def rows_of(self, table: TableName) -> int:
        """Count the rows of a table."""
        return int(self.probe(f"SELECT count(*) FROM {table.sql}")[0][0])


class _Asked(NamedTuple):
    sql: str
    caller: str
    limits: Limits


class _Running:
    """A consumer's query until its time is over, noted when it ends, its errors translated."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        until: AbstractContextManager[threading.Event],
        tap: Tap,
        asked: _Asked,
    ) -> None:
        self.con = con
        self.ms = 0.0
        self._until, self._tap, self._asked = until, tap, asked

    def __enter__(self) -> _Running:
        self._wall, self._started = time.time(), time.perf_counter()
        self._until.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: Any, trace: Any) -> None:
        self._until.__exit__(None, None, None)
        self.con.close()
        self.ms = (time.perf_counter() - self._started) * 1000
        # What was asked is the workload, whatever answered it.
        error = kind.__name__ if kind else None
        self._tap.note(self._asked.sql, self._wall, self.ms, error, self._asked.caller)
        if isinstance(exc, duckdb.Error | OSError | OverflowError):
            raise self._failure(exc) from exc

    def _failure(self, exc: Exception) -> QueryFailed:
        if _stopped(exc):
            return QueryFailed(
                f"The query ran longer than {self._asked.limits.seconds:g} s and was stopped.",
                hint="Narrow it with a filter or LIMIT, or raise PILLION_PRODUCT_QUERY_TIMEOUT.",
            )
        if isinstance(exc, OverflowError):
            return QueryFailed(
                f"The answer holds a value that cannot be given, such as a long interval: {exc}.",
                hint="Cast it to VARCHAR.",
            )
        said = str(exc)
        said = reason(said) if out_of_reach(said) else said
        return QueryFailed(f"The engine refused the query: {said}")


def _stopped(exc: Exception) -> bool:
    # Arrow wraps DuckDB's errors into OSError and keeps only their text.
    return isinstance(exc, duckdb.InterruptException) or str(exc).startswith("INTERRUPT")


def _batches(
    con: duckdb.DuckDBPyConnection, sql: duckdb.Statement | str, limits: Limits
) -> tuple[pa.Table, bool]:
    # Only a relation streams its Arrow batches; a cursor would hold the whole result.
    with con.sql(sql).to_arrow_reader(min(limits.rows + 1, BATCH)) as reader:
        return first(reader, limits.rows, limits.bytes)
