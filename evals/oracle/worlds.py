"""Worse data made of a product's own rows: statements for a transaction that is taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from evals.oracle.answers import fetch
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
    "UTINYINT": ("0", "255"),
    "USMALLINT": ("0", "65535"),
    "UINTEGER": ("0", "4294967295"),
    "UBIGINT": ("0", "18446744073709551615"),
    "HUGEINT": ("-9223372036854775809", "0", "18446744073709551616"),
    # No large number of each sign: their sum would depend on the order of the rows.
    "DOUBLE": ("-1e300", "-0.0", "inf", "nan"),
    "FLOAT": ("-1e30", "-0.0", "inf", "nan"),
    "VARCHAR": (
        "", " ", "NULL", "\u00e9\u4e2d\U0001f600", "~~~~~~~~", "-1", "2.5", "1999-12-31",
    ),
    "DATE": ("-infinity", "0001-01-01", "9999-12-31", "infinity"),
    "TIMESTAMP": ("-infinity", "0001-01-01", "9999-12-31 23:59:59.999999", "infinity"),
    "TIMESTAMP WITH TIME ZONE": ("-infinity", "0001-01-01", "9999-12-31", "infinity"),
    "TIME": ("00:00:00", "23:59:59.999999"),
    "BOOLEAN": ("false", "true"),
}  # fmt: skip
STEPS = {
    "DATE": "INTERVAL 1 DAY",
    "TIMESTAMP": "INTERVAL 1 MICROSECOND",
    "TIMESTAMP WITH TIME ZONE": "INTERVAL 1 MICROSECOND",
    "TIME": "INTERVAL 1 MICROSECOND",
}
"""The smallest step to either side of an edge; 1 for numbers."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
FRESH = frozenset(
    "SMALLINT INTEGER BIGINT HUGEINT USMALLINT UINTEGER UBIGINT UHUGEINT VARCHAR DATE"
    " TIMESTAMP".split()
)
"""Types of which there is always a value that no row of a table has yet."""
_KEYS = (
    "SELECT constraint_column_names FROM duckdb_constraints() WHERE table_name = ?"
    " AND schema_name = current_schema() AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')"
    " UNION ALL SELECT list_transform(expressions::VARCHAR[], lambda e: trim(e, '\"'))"
    " FROM duckdb_indexes() WHERE is_unique AND table_name = ? AND schema_name = current_schema()"
)


class Column(NamedTuple):
    """A column as far as values are made for it."""

    name: str
    type: str
    nullable: bool


class Table(NamedTuple):
    """A table that a query reads; `columns` are those it names, `end` is after its last row."""

    name: str
    end: int
    columns: tuple[Column, ...]
    keys: tuple[Column, ...] = ()
    """One column of each key: it gets a new value where a row is repeated."""

    @property
    def step(self) -> int:
        """How far the repeated rows lie apart."""
        return max(1, self.end // SPREAD)

    def repeated(self, column: str = "", value: str = "", *, apart: int = 1) -> str:
        """Return the INSERT that repeats some rows, with a value of one column replaced.

        A value of a key is there once.
        """
        values = {k.name: self._fresh(k) for k in self.keys}
        once = " LIMIT 1" if column in values else ""
        values |= {column: value} if column else {}
        replaced = ", ".join(f"{v} AS {quoted(name)}" for name, v in values.items())
        changed = f"* REPLACE ({replaced})" if replaced else "*"
        table = quoted(self.name)
        spread = f"rowid < {self.end} AND rowid % {self.step * apart} = 0{once}"
        return f"INSERT INTO {table} SELECT {changed} FROM {table} WHERE {spread}"

    def _fresh(self, key: Column) -> str:
        table, name = quoted(self.name), quoted(key.name)
        number = "CAST(row_number() OVER () AS INTEGER)"
        if key.type == "VARCHAR":
            return f"{name} || '~' || (SELECT count(*) FROM {table}) || '.' || {number}"
        step = f"to_microseconds({number})" if key.type == "TIMESTAMP" else number
        return f"CAST((SELECT max({name}) FROM {table}) + {step} AS {key.type})"

    def changed(self, column: str, value: str, *, nth: int) -> str:
        """Return the UPDATE that gives some rows a value: they keep their keys."""
        table, name = quoted(self.name), quoted(column)
        return f"UPDATE {table} SET {name} = {value} WHERE rowid % {SPREAD} = {nth % SPREAD}"

    def blanked(self, column: Column, *, apart: int) -> str:
        """Return the UPDATE after which so many rows miss a value."""
        table, name = quoted(self.name), quoted(column.name)
        return f"UPDATE {table} SET {name} = NULL WHERE rowid % {apart} = 0"

    def halved(self) -> str:
        """Return the DELETE of every other row."""
        return f"DELETE FROM {quoted(self.name)} WHERE rowid % 2 = 0"


def worlds(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Table], texts: tuple[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield worlds with the statements that make them."""
    missing = [
        t.repeated(c.name, f"CAST(NULL AS {c.type})") for t in tables for c in t.columns
        if c.nullable
    ]  # fmt: skip
    again = [t.repeated() for t in tables]
    edges = [edge for t in tables for edge in _edge_rows(con, t, texts)]
    emptied = [f"DELETE FROM {quoted(t.name)}" for t in tables]
    few = [f"DELETE FROM {quoted(t.name)} WHERE rowid % {t.step * FEW} > 0" for t in tables]
    yield "missing values", missing
    yield "repeated rows", [*again, *again]
    yield "edges and extremes", edges
    yield "few rows", [*few, *missing, *again]
    yield "lost rows", [t.halved() for t in tables]
    blanked = [t.blanked(c, apart=3) for t in tables for c in t.columns if c.nullable]
    yield "changed to missing", blanked
    for table, statement in zip(tables, emptied, strict=True):
        yield f"no {table.name}", [statement]
    yield "nothing", emptied


def writes(table: Table) -> Iterator[str]:
    """Yield what anybody may do to a table: repeat rows, blank and rewrite values, delete rows."""
    yield table.repeated()
    for column in table.columns:
        name = quoted(column.name)
        if column.nullable:
            yield table.blanked(column, apart=table.step)
        yield f"UPDATE {quoted(table.name)} SET {name} = {name} WHERE rowid % {table.step} = 0"
    yield table.halved()


def _edge_rows(
    con: duckdb.DuckDBPyConnection, table: Table, texts: tuple[str, str]
) -> Iterator[str]:
    """Yield rows at an edge: repeated ones, and where these get new keys old ones, too."""
    keys = {k.name for k in table.keys}
    for column in table.columns:
        of_key = column.name in keys
        for nth, value in enumerate(_edges(con, column, texts, of_key=of_key)):
            yield table.repeated(column.name, value, apart=FEW)
            if keys and not of_key:
                yield table.changed(column.name, value, nth=nth)


def _edges(
    con: duckdb.DuckDBPyConnection, column: Column, texts: tuple[str, str], *, of_key: bool
) -> Iterator[str]:
    """Yield a type's extremes, and what the texts compare with, from just below to just above.

    After the greatest there is no new value of a key, so keys have no extremes.
    """
    for value in () if of_key else _extremes(column.type):
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
            near = (value[:-1], value + " ", value + "\x7f", value.swapcase())
            yield from map(_literal, near)


def _extremes(kind: str) -> tuple[str, ...]:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal is None:
        return EXTREMES.get(kind, ())
    behind = int(decimal[2])
    most = "9" * (int(decimal[1]) - behind) + "." + "9" * behind
    return f"-{most}", "-1", "0", most


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literals(texts: tuple[str, str]) -> list[str]:
    trees = [t for text in texts if (t := parsed(text)) is not None]
    return list(dict.fromkeys(str(n.this) for t in trees for n in t.find_all(exp.Literal)))


def tables_of(con: duckdb.DuckDBPyConnection, sql: str, text: str) -> list[Table]:
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
    return [table_of(con, name, words) for name in wanted]


def table_of(
    con: duckdb.DuckDBPyConnection, name: str, words: Iterable[str] | None = None
) -> Table:
    """Return a table with those of its columns that are among some words, or with all."""
    ((end,),) = fetch(con, f"SELECT coalesce(max(rowid) + 1, 0) FROM {quoted(name)}")
    found = con.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE table_name = ?"
        " AND schema_name = current_schema() ORDER BY column_index",
        [name],
    ).fetchall()
    columns = [Column(*c) for c in found]
    named = tuple(c for c in columns if words is None or c.name.lower() in words)
    return Table(name, end, named, tuple(_keys(con, name, columns)))


def _keys(con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column]) -> Iterator[Column]:
    """Yield a column of each key for which new values can be made."""
    for (key,) in con.execute(_KEYS, [name, name]).fetchall():
        yield from [c for c in columns if c.name in key and c.type in FRESH][:1]


def _named(sql: str, kind: type[exp.Expr]) -> set[str]:
    tree = parsed(sql)
    return {n.name.lower() for n in tree.find_all(kind)} if tree is not None else set()


def parsed(sql: str) -> exp.Expr | None:
    """Return a query's tree, or None for what the parser does not know."""
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
