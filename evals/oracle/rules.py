"""Whether tables still keep themselves as they did: rules, defaults, comments, order of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import duckdb
import sqlglot
from sqlglot import exp

from evals.oracle.answers import same

Columns = set[tuple[str, str]]
"""Tables with their schemas, and columns."""
OURS = "schema_name <> 'pillion'"
UNIQUE = ("UNIQUE", "PRIMARY KEY", "UNIQUE INDEX")
_CONSTRAINTS = (
    "SELECT lower(schema_name || '.' || table_name), constraint_type,"
    " list_transform(constraint_column_names, lambda c: lower(c)) FROM duckdb_constraints()"
    f" WHERE {OURS}"
)
_UNIQUE_INDEXES = (
    "SELECT lower(schema_name || '.' || table_name), expressions::VARCHAR[] FROM duckdb_indexes()"
    f" WHERE is_unique AND {OURS}"
)
_COLUMNS = (
    "SELECT lower(schema_name || '.' || table_name), lower(column_name), column_default, comment"
    f" FROM duckdb_columns() WHERE NOT internal AND {OURS} ORDER BY table_oid, column_index"
)
_COMMENTED = (
    f"SELECT lower(schema_name || '.' || table_name), comment FROM duckdb_tables() WHERE {OURS}"
)


def lost_rules(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the constraints and defaults of the first database that the second lacks.

    Those of a table or a column that is gone went with it; whether it may be gone is another
    question. A CHECK is counted, not compared: its text names the type of what it reads.
    """
    had, has = _constraints(old), _constraints(new)
    defaults, still = _defaults(old), _defaults(new)
    unique, present = [*has, *_unique_indexes(new)], _present(new)
    lost = [*(Counter(had) - Counter(has)).elements()]
    lost += [k for k in _unique_indexes(old) if not _stands(k, unique)]
    lost += [_Rule(t, "DEFAULT", (c,)) for t, c in defaults if (t, c) not in still]
    found = [str(rule) for rule in lost if rule.cells <= present]
    found += (
        f"DEFAULT of {t} ({c}) is {still[t, c]}, not {text}"
        for (t, c), text in defaults.items()
        if (t, c) in still and _differ(old, text, new, still[t, c])
    )
    return sorted(found)


def moved(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection) -> list[str]:
    """Return tables whose columns come in another order, and what lost its comment."""
    had, has = _order(old), _order(new)
    found = [f"the columns of {t} come in another order" for t in had if _swapped(had, has, t)]
    comments, still = _comments(old), _comments(new)
    places = {(t, "") for t in has} | _present(new)
    lost = (key for key in comments if key in places and comments[key] != still.get(key))
    found += (f"the comment of {'.'.join(filter(None, key))} is another one" for key in lost)
    return found


class _Rule(NamedTuple):
    table: str
    kind: str
    columns: tuple[str, ...]

    @property
    def cells(self) -> Columns:
        return {(self.table, column) for column in self.columns}

    def __str__(self) -> str:
        return f"{self.kind} of {self.table} ({', '.join(self.columns)})"


def rules(con: duckdb.DuckDBPyConnection) -> Counter[str]:
    """Return all that tables enforce, in words."""
    return Counter(str(rule) for rule in (*_constraints(con), *_unique_indexes(con)))


def _constraints(con: duckdb.DuckDBPyConnection) -> list[_Rule]:
    found = con.execute(_CONSTRAINTS).fetchall()
    return [_Rule(table, kind, tuple(sorted(columns))) for table, kind, columns in found]


def _unique_indexes(con: duckdb.DuckDBPyConnection) -> list[_Rule]:
    found = con.execute(_UNIQUE_INDEXES).fetchall()
    return [_Rule(t, "UNIQUE INDEX", tuple(sorted(_columns_in(texts)))) for t, texts in found]


def _columns_in(expressions: Iterable[str]) -> Iterator[str]:
    for text in expressions:
        tree = sqlglot.parse_one(text, dialect="duckdb")
        yield from {c.name.lower() for c in tree.find_all(exp.Column)}


def _stands(key: _Rule, others: Iterable[_Rule]) -> bool:
    """Whether something else keeps the same columns, or some of them, from repeating."""
    return any(
        o.table == key.table and o.kind in UNIQUE and set(o.columns) <= set(key.columns)
        for o in others
    )


def _defaults(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    rows = con.execute(_COLUMNS).fetchall()
    return {(table, column): text for table, column, text, _ in rows if text is not None}


def _differ(
    old: duckdb.DuckDBPyConnection, text: str, new: duckdb.DuckDBPyConnection, other: str
) -> bool:
    """Whether two defaults give other values; one that gives none alone is not told."""
    if text == other or (was := _value(old, text)) is None:
        return False
    now = _value(new, other)
    return now is None or not same("SELECT 1", was, now)


def _value(con: duckdb.DuckDBPyConnection, text: str) -> list[tuple[Any, ...]] | None:
    try:
        return con.execute(f"SELECT {text}").fetchall()
    except duckdb.Error:
        return None


def _present(con: duckdb.DuckDBPyConnection) -> Columns:
    return {(str(table), str(column)) for table, column, *_ in con.execute(_COLUMNS).fetchall()}


def _order(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column, *_ in con.execute(_COLUMNS).fetchall():
        found.setdefault(table, []).append(column)
    return found


def _swapped(had: dict[str, list[str]], has: dict[str, list[str]], table: str) -> bool:
    both = [c for c in had[table] if c in has.get(table, ())]
    return both != [c for c in has.get(table, ()) if c in both]


def _comments(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    columns = [(t, c, text) for t, c, _, text in con.execute(_COLUMNS).fetchall()]
    tables = [(t, "", text) for t, text in con.execute(_COMMENTED).fetchall()]
    return {(t, c): text for t, c, text in (*columns, *tables) if text is not None}
