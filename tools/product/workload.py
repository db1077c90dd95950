"""The workload: what is asked of a product, how often, and at what cost."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from tools.messages import Message, TableName

Role = Literal["filter", "join", "group", "order", "select", "aggregate"]
Source = Literal["tap", "sql_file", "query_log", "duckdb_log"]


class ColumnUse(Message):
    """One column in one query: the roles it plays and the types it is cast to."""

    table: TableName
    column: str
    roles: tuple[Role, ...]
    operators: tuple[str, ...] = ()
    """Comparisons it is filtered by: =, <, <=, >, >=, between, in, like, is null, other.

    And `= alone`, where no other condition on the table stands beside an =."""
    casts: tuple[str, ...] = ()
    """DuckDB type names it is CAST or TRY_CAST to, upper case."""
    guarded: bool = False
    """Whether every cast is a TRY_CAST: the query is ready for values that don't fit."""
    functions: tuple[str, ...] = ()
    """Functions applied directly to it, lower case (substr, strftime, date_trunc, lower...)."""

    @property
    def sought(self) -> bool:
        """Whether an index may find its values: DuckDB 2 scans one for = or a join."""
        return "=" in self.operators or "join" in self.roles or ">" in self.operators


class QueryPattern(Message):
    """All runs of one fingerprint: the same statement but for its literals."""

    fingerprint: str
    sql: str
    """The text that took the most time, complete and runnable."""
    normalized: str
    """The text with literals replaced by ?."""
    runs: int
    total_ms: float
    """Measured or logged time of all runs; 0 when the source has no durations."""
    tables: tuple[TableName, ...]
    columns: tuple[ColumnUse, ...]
    star: bool = False
    """Whether the query reads every column of a table (SELECT *)."""
    ordered: bool = False
    """Whether the outermost query has ORDER BY."""
    source: Source
    rewritten: bool = False
    """Whether `sql` is not what people ask but what an approved rewrite answers it by."""
    variants: tuple[str, ...] = ()
    """Up to five other texts with other literals."""
    callers: tuple[str, ...] = ()
    """Up to five who asked it, most often first, as they call themselves."""
    windows: tuple[int, ...] = ()
    """Runs in each of the workload's windows; empty where no run has a time."""
    ceased: str = ""
    """Why it seems to be asked no more; empty where it still is."""

    @property
    def weight(self) -> int:
        """How often it counts: what is asked no more gains nothing for anybody."""
        return 0 if self.ceased else self.runs


class Skipped(Message):
    """A statement that is not measured, and why."""

    sql: str
    reason: str


class TableUse(Message):
    """What is needed of one table by what is not listed as a pattern."""

    table: TableName
    columns: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    """The columns whose values an index may find."""
    whole: bool = False
    """Whether it may be every column."""
    upserted: bool = False
    """Whether it gets MERGE or upserts, or may get them."""

    def holds(self, column: str) -> bool:
        """Whether this column may be needed."""
        return self.whole or column in self.columns


class UnreadRow(Message):
    """A row of a query log that could not be read; nothing of what stands in it."""

    file: str
    line: int
    """The first of its lines, from 1."""
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Unread(Message):
    """The rows of query logs that could not be read: how many, and the first few of each file."""

    total: int = 0
    first: tuple[UnreadRow, ...] = ()


class Windows(Message):
    """The recorded time in equal parts, oldest first."""

    first: str
    """The first day of the first, in ISO form."""
    days: int
    """Days in each."""
    count: int


class Workload(Message):
    """Everything known about how a product is used."""

    patterns: tuple[QueryPattern, ...]
    skipped: tuple[Skipped, ...] = ()
    skipped_total: int = 0
    writes: dict[str, int] = Field(default_factory=dict)
    """How many statements were seen to write to each table (`table`, or `schema.table`)."""
    windows: Windows | None = None
    """None where no run has a time."""
    unlisted: tuple[TableUse, ...] = ()
    """What is read by the patterns that are too many to be listed."""
    named: tuple[TableUse, ...] | None = None
    """What all statements name that are not measured; None where nobody looked."""
    unseen: int = 0
    """Texts that were too many to be looked at."""

    def beyond(self, table: TableName) -> TableUse | None:
        """Return what the patterns that are not listed read of `table`, if they do."""
        return next((u for u in self.unlisted if u.table == table), None)

    def reading(self, table: TableName) -> tuple[QueryPattern, ...]:
        """Return the patterns that read `table`."""
        return self.by_table.get((table.schema_name, table.name), ())

    @cached_property
    def by_table(self) -> dict[tuple[str, str], tuple[QueryPattern, ...]]:
        """Patterns by schema and name of each table they read."""
        found: dict[tuple[str, str], tuple[QueryPattern, ...]] = {}
        for pattern in self.patterns:
            for key in dict.fromkeys((t.schema_name, t.name) for t in pattern.tables):
                found[key] = (*found.get(key, ()), pattern)
        return found
