"""Whether two texts still give one answer when the data turns nasty, and writes are still taken.

Every world is made by INSERT, UPDATE and DELETE inside one transaction of the changed product, so
that whatever keeps a summary up has to run; then it is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
from sqlglot import exp

from evals.oracle.answers import fetch, same
from evals.oracle.worlds import Table, parsed, table_of, tables_of, worlds, writes

_ADDED = (
    "SELECT table_name, trigger_name FROM duckdb_triggers() WHERE schema_name = current_schema()"
    " UNION ALL"
    " SELECT table_name, index_name FROM duckdb_indexes() WHERE schema_name = current_schema()"
)


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
        tables = tables_of(after, sql, text)
        for world, statements in worlds(after, tables, (sql, text)):
            with _tried(after, statements) as refused:
                stands = _answers(after, queries[0])
                found = _difference(after, *queries)
            if not stands:
                # One value that it cannot read hides what the others show.
                fit = [s for s in statements if _takes(after, s, queries[:1])]
                with _tried(after, fit):
                    found = _difference(after, *queries)
            if found:
                return f"{found} on adversarial data ({world}): {' '.join(sql.split())}"
            for statement in refused:
                if _takes(before, statement, (sql, *asked)) and _alike(before, after, tables):
                    return f"a write is refused on adversarial data ({world}): {statement}"
    return ""


def refusal(
    before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection, asked: Sequence[str] = ()
) -> str:
    """Return a write that is refused since a trigger or an index came, or nothing.

    No data is changed. Where the table's columns or rules are others, other values are refused.
    """
    for name in _beset(before, after):
        table = table_of(before, name)
        for statement in writes(table) if _alike(before, after, [table]) else ():
            with _tried(after, [statement]) as refused:
                pass
            if refused and _takes(before, statement, asked):
                return f"a write is refused: {statement}"
    return ""


def _beset(before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the tables that have a trigger or an index only in the changed product."""
    old, new = (set(con.execute(_ADDED).fetchall()) for con in (before, after))
    stored = fetch(before, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")
    return sorted({table for table, _ in new - old} & {str(name) for (name,) in stored})


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
    before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection, tables: Sequence[Table]
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


def _unordered(sql: str) -> str:
    """Return a query without its own order and limit: equal keys may come in any order."""
    tree = parsed(sql)
    if not isinstance(tree, exp.Query) or isinstance(tree.args.get("distinct"), exp.Distinct):
        return sql
    for part in ("order", "limit", "offset"):
        tree.set(part, None)
    return str(tree.sql(dialect="duckdb"))
