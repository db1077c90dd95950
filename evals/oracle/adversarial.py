"""Whether two texts still give one answer when the data turns nasty.

Every world is made by INSERT, UPDATE and DELETE inside one transaction of the changed product, so
that whatever keeps a summary up has to run; then it is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from evals.oracle.answers import fetch, same
from tools.messages import quoted

SPREAD = 200
"""About how many rows of a table are repeated or lose a value: some pass most filters."""
FEW = 10
"""One of so many of these rows stays in a world of few rows."""
EXTREMES = {
    "TINYINT": ("-128", "0", "127"),
    "SMALLINT": ("-32768", "0", "32767"),
    "INTEGER": ("-2147483648", "0", "2147483647"),
    "BIGINT": ("-9223372036854775808", "0", "9223372036854775807"),
    # No large number of each sign: their sum would depend on the order of the rows.
    "DOUBLE": ("-1e300", "-0.0", "inf", "nan"),
    "FLOAT": ("-1e30", "-0.0", "inf", "nan"),
    "VARCHAR": ("", " ", "NULL", "\u00e9\u4e2d\U0001f600", "~~~~~~~~"),
    "DATE": ("-infinity", "0001-01-01", "9999-12-31", "infinity"),
    "TIMESTAMP": ("-infinity", "0001-01-01", "9999-12-31 23:59:59.999999", "infinity"),
    "BOOLEAN": ("false", "true"),
}
STEPS = {"DATE": "INTERVAL 1 DAY", "TIMESTAMP": "INTERVAL 1 MICROSECOND"}
"""The smallest step to either side of an edge; 1 for numbers."""


class _Column(NamedTuple):
    name: str
    type: str
    nullable: bool


class _Table(NamedTuple):
    """A table that a query reads; `columns` are those it names, `end` is after its last row."""

    name: str
    end: int
    columns: tuple[_Column, ...]

    @property
    def step(self) -> int:
        """How far the repeated rows lie apart."""
        return max(1, self.end // SPREAD)

    def repeated(self, column: str = "", value: str = "", *, apart: int = 1) -> str:
        """Return the INSERT that repeats some rows, with a value of one column replaced."""
        changed = f"* REPLACE ({value} AS {quoted(column)})" if column else "*"
        table = quoted(self.name)
        spread = f"rowid < {self.end} AND rowid % {self.step * apart} = 0"
        return f"INSERT INTO {table} SELECT {changed} FROM {table} WHERE {spread}"


def fault(
    before: duckdb.DuckDBPyConnection,
    after: duckdb.DuckDBPyConnection,
    texts: Mapping[str, str],
    asked: Sequence[str] = (),
) -> str:
    """Return how a query and its text differ in some world, or nothing; no data is changed.

    A write that breaks one of the queries `asked` is no loss where it is refused.
    """
    for sql, text in texts.items():
        queries = _unordered(sql), _unordered(text)
        tables = _tables(after, sql, text)
        for world, statements in _worlds(after, tables, (sql, text)):
            with _tried(after, statements) as refused:
                found = _difference(after, *queries)
            if found:
                return f"{found} on adversarial data ({world}): {' '.join(sql.split())}"
            for statement in refused:
                if _takes(before, statement, (sql, *asked)) and _alike(before, after, tables):
                    return f"a write is refused on adversarial data ({world}): {statement}"
    return ""


def _difference(con: duckdb.DuckDBPyConnection, sql: str, text: str) -> str:
    try:
        wanted = fetch(con, sql)
    except duckdb.Error:
        # Whatever the query itself can't stand proves nothing about its equivalent.
        return ""
    try:
        return "" if same(sql, wanted, fetch(con, text)) else "another answer"
    except duckdb.Error as exc:
        return f"a query fails ({str(exc).splitlines()[0]})"


@contextmanager
def _tried(con: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> Iterator[list[str]]:
    """Make a world and take it back; yields the statements that it had to be made without."""
    refused: list[str] = []
    while True:
        con.execute("BEGIN")
        failed = _first_failing(con, [s for s in statements if s not in refused])
        if failed is None:
            break
        con.execute("ROLLBACK")
        refused.append(failed)
    try:
        yield refused
    finally:
        con.execute("ROLLBACK")


def _first_failing(con: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> str | None:
    for statement in statements:
        try:
            con.execute(statement)
        except duckdb.Error:
            return statement
    return None


def _takes(con: duckdb.DuckDBPyConnection, statement: str, asked: Iterable[str]) -> bool:
    """Whether a product takes a write and still answers: a row that breaks a query is no loss."""
    with _tried(con, [statement]) as refused:
        return not refused and all(_answers(con, sql) for sql in asked)


def _answers(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        fetch(con, sql)
    except duckdb.Error:
        return False
    return True


def _alike(
    before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection, tables: Sequence[_Table]
) -> bool:
    """Whether nothing but a text changed about the tables: other types refuse other values."""
    names = [t.name for t in tables]
    sql = (
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE table_name IN (SELECT unnest(?)) UNION ALL SELECT table_name, constraint_text,"
        " '', NULL FROM duckdb_constraints() WHERE table_name IN (SELECT unnest(?)) ORDER BY ALL"
    )
    shapes = [con.execute(sql, [names, names]).fetchall() for con in (before, after)]
    return shapes[0] == shapes[1]


def _worlds(
    con: duckdb.DuckDBPyConnection, tables: Sequence[_Table], texts: tuple[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield worlds with the statements that make them."""
    missing = [
        t.repeated(c.name, f"CAST(NULL AS {c.type})") for t in tables for c in t.columns
        if c.nullable
    ]  # fmt: skip
    again = [t.repeated() for t in tables]
    edges = [
        t.repeated(c.name, value, apart=FEW) for t in tables for c in t.columns
        for value in _edges(con, c, texts)
    ]  # fmt: skip
    emptied = [f"DELETE FROM {quoted(t.name)}" for t in tables]
    few = [f"DELETE FROM {quoted(t.name)} WHERE rowid % {t.step * FEW} > 0" for t in tables]
    yield "missing values", missing
    yield "repeated rows", [*again, *again]
    yield "edges and extremes", edges
    yield "few rows", [*few, *missing, *again]
    yield "lost rows", [f"DELETE FROM {quoted(t.name)} WHERE rowid % 2 = 0" for t in tables]
    yield "changed to missing", [_blanked(t, c) for t in tables for c in t.columns if c.nullable]
    for table, statement in zip(tables, emptied, strict=True):
        yield f"no {table.name}", [statement]
    yield "nothing", emptied


def _blanked(table: _Table, column: _Column) -> str:
    return f"UPDATE {quoted(table.name)} SET {quoted(column.name)} = NULL WHERE rowid % 3 = 0"


def _edges(
    con: duckdb.DuckDBPyConnection, column: _Column, texts: tuple[str, str]
) -> Iterator[str]:
    """Yield a type's extremes, and what the texts compare with, from just below to just above."""
    for value in EXTREMES.get(column.type, ()):
        yield f"CAST({_literal(value)} AS {column.type})"
    step = STEPS.get(column.type, "1")
    for value in _literals(texts):
        edge = f"TRY_CAST({_literal(value)} AS {column.type})"
        if fetch(con, f"SELECT {edge}") == [(None,)]:
            continue
        yield edge
        if column.type != "VARCHAR":
            yield f"CAST({edge} - {step} AS {column.type})"
            yield f"CAST({edge} + {step} AS {column.type})"
        else:
            yield from (_literal(near) for near in (value[:-1], value + " ", value + "\x7f"))


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literals(texts: tuple[str, str]) -> list[str]:
    trees = [t for text in texts if (t := _parsed(text)) is not None]
    return list(dict.fromkeys(str(n.this) for t in trees for n in t.find_all(exp.Literal)))


def _tables(con: duckdb.DuckDBPyConnection, sql: str, text: str) -> list[_Table]:
    """Return the stored tables that a query reads: all but those that only its text reads."""
    own, other = _named(sql, exp.Table), _named(text, exp.Table)
    stored = [
        str(name)
        for (name,) in fetch(
            con,
            "SELECT DISTINCT table_name FROM duckdb_tables() WHERE NOT internal"
            " AND schema_name = current_schema() ORDER BY table_name",
        )
    ]
    read = [name for name in stored if name.lower() in own]
    # A view reads tables that the query doesn't name.
    through_view = any(own - {name.lower() for name in stored})
    wanted = [n for n in stored if n.lower() not in other - own] if through_view else read
    words = _named(sql, exp.Identifier) | _named(text, exp.Identifier)
    return [_table(con, name, words) for name in wanted]


def _table(con: duckdb.DuckDBPyConnection, name: str, words: set[str]) -> _Table:
    ((end,),) = fetch(con, f"SELECT coalesce(max(rowid) + 1, 0) FROM {quoted(name)}")
    found = con.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE table_name = ?"
        " AND schema_name = current_schema() ORDER BY column_index",
        [name],
    ).fetchall()
    columns = [_Column(*c) for c in found]
    named = tuple(c for c in columns if c.name.lower() in words)
    return _Table(name, end, named)


def _named(sql: str, kind: type[exp.Expr]) -> set[str]:
    tree = _parsed(sql)
    return {n.name.lower() for n in tree.find_all(kind)} if tree is not None else set()


def _unordered(sql: str) -> str:
    """Return a query without its own order and limit: equal keys may come in any order."""
    tree = _parsed(sql)
    if not isinstance(tree, exp.Query) or isinstance(tree.args.get("distinct"), exp.Distinct):
        return sql
    for part in ("order", "limit", "offset"):
        tree.set(part, None)
    return str(tree.sql(dialect="duckdb"))


def _parsed(sql: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
