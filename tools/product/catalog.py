"""What is in the product's database: tables with all that is theirs, views and macros."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import duckdb
import sqlglot
from pydantic import Field
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tools.messages import Message, TableName, quoted
from tools.product.identifiers import folded
from tools.product.stored_queries import Macro, MacroForm, StoredQueries, View


class Column(Message):
    """One column; `default` and `generated` are SQL expressions."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    comment: str | None = None


class Constraint(Message):
    """One constraint as DuckDB prints it."""

    kind: str
    """PRIMARY KEY, UNIQUE, CHECK, FOREIGN KEY or NOT NULL."""
    text: str
    columns: tuple[str, ...] = ()
    referenced_table: str | None = None


class Index(Message):
    """One explicit index."""

    name: str
    columns: tuple[str, ...]
    """Column names, or the expression text where it is one."""
    unique: bool
    definition: str
    comment: str | None = Field(None, exclude_if=lambda c: c is None)


class Trigger(Message):
    """One trigger (DuckDB 2 and later)."""

    name: str
    definition: str


class Table(Message):
    """One base table with all that depends on it."""

    name: TableName
    columns: tuple[Column, ...]
    rows: int
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    comment: str | None = None
    definition: str = ""

    def column(self, name: str) -> Column | None:
        """Return the column called `name` (DuckDB compares names without case), if any."""
        return self._by_name.get(folded(name))

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {folded(c.name): c for c in self.columns}


class Catalog(Message):
    """The whole database, without the product's own `pillion` schema."""

    tables: tuple[Table, ...]
    views: tuple[View, ...] = ()
    macros: tuple[Macro, ...] = ()
    engine: str
    """Such as `duckdb 2.0.0`."""
    foreign_keys: tuple[tuple[TableName, TableName], ...] = ()
    """Pairs (referencing, referenced)."""
    database: str = ""
    """The name by which queries may put it before a schema."""

    def table(self, name: TableName) -> Table | None:
        """Return the table called `name` (without case), if any."""
        return self._by_name.get(table_key(name))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Table]:
        return {table_key(t.name): t for t in self.tables}

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Table]:
        """Tables by schema and name, both in lower case."""
        return {(t.name.schema_name.lower(), t.name.name.lower()): t for t in self.tables}

    @cached_property
    def stored(self) -> StoredQueries:
        """What the views and macros read."""
        return StoredQueries((t.name for t in self.tables), self.views, self.macros)


def table_key(name: TableName) -> tuple[str, str]:
    """Return what two names of one table have in common."""
    return folded(name.schema_name), folded(name.name)


_OWN = (
    "database_name = current_database() AND NOT internal AND lower(schema_name)"
    " NOT IN ('pillion', 'information_schema', 'pg_catalog')"
)
_NAMED = _OWN.replace(" AND NOT internal", "")
_TABLES = (
    "SELECT schema_name, table_name, comment, sql FROM duckdb_tables()"
    f" WHERE {_OWN} AND NOT temporary ORDER BY 1, 2"
)
_VIEWS = (
    "SELECT schema_name, view_name, sql FROM duckdb_views()"
    f" WHERE {_OWN} AND NOT temporary ORDER BY 1, 2"
)
_MACROS = (
    "SELECT schema_name, function_name, function_type = 'table_macro', parameters, parameter_types,"
    f" macro_definition FROM duckdb_functions() WHERE {_OWN}"
    " AND function_type IN ('macro', 'table_macro') ORDER BY 1, 2, 3, len(parameters), 6"
)
_COLUMNS = (
    "SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, comment,"
    f" {{generated}} FROM duckdb_columns() WHERE {_OWN} ORDER BY table_oid, column_index"
)
_CONSTRAINTS = (
    "SELECT schema_name, table_name, constraint_type, constraint_text, constraint_column_names,"
    " referenced_table, referenced_column_names"
    f" FROM duckdb_constraints() WHERE {_NAMED} ORDER BY constraint_index"
)
_INDEXES = (
    "SELECT schema_name, table_name, index_name, expressions::VARCHAR[], is_unique, sql,"
    " comment"
    f" FROM duckdb_indexes() WHERE {_NAMED} ORDER BY index_name"
)
_TRIGGERS = (
    "SELECT schema_name, table_name, trigger_name, sql"
    f" FROM duckdb_triggers() WHERE {_NAMED} AND NOT temporary ORDER BY trigger_name"
)

_Rows = dict[tuple[str, str], list[tuple[Any, ...]]]


def read_catalog(
    con: duckdb.DuckDBPyConnection, *, macros: tuple[Macro, ...] | None = None
) -> Catalog:
    """Read the whole structure of the current database, and each table's exact row count.

    Finding the macros among thousands of functions takes longer than all else: a copy's are known.
    """
    tables = tuple(_read(con, lambda sql: con.execute(sql).fetchall()))
    version, database = con.execute("SELECT version(), current_database()").fetchall()[0]
    return Catalog(
        tables=tables,
        views=tuple(
            View(name=TableName(schema_name=schema, name=name), definition=sql or "")
            for schema, name, sql in con.execute(_VIEWS).fetchall()
        ),
        macros=_macros(con.execute(_MACROS).fetchall()) if macros is None else macros,
        engine=f"duckdb {version.removeprefix('v')}",
        database=database,
        foreign_keys=tuple(
            (t.name, TableName(schema_name=t.name.schema_name, name=c.referenced_table))
            for t in tables
            for c in t.constraints
            if c.kind == "FOREIGN KEY" and c.referenced_table
        ),
    )


def read_table(con: duckdb.DuckDBPyConnection, name: TableName) -> Table | None:
    """Read the structure and the row count of one table, and nothing of the others."""
    called = {"schema": name.schema_name, "table": name.name}
    found = _read(con, lambda sql: con.execute(_one(sql), called).fetchall())
    return next((t for t in found if table_key(t.name) == table_key(name)), None)


def schema_hash(catalog: Catalog, tables: Iterable[TableName]) -> str:
    """Hash the structure of `tables`: columns, types, constraints, indexes; rows don't count."""
    return _hash_of({name: catalog.table(name) for name in tables})


def table_hash(name: TableName, table: Table | None) -> str:
    """Hash the structure of one table as `schema_hash` does."""
    return _hash_of({name: table})


def _hash_of(tables: Mapping[TableName, Table | None]) -> str:
    named = {table_key(n): ([n.schema_name.lower(), n.name.lower()], t) for n, t in tables.items()}
    body = [
        [*name, _structure(table)]
        for _, (name, table) in sorted(named.items(), key=lambda item: (item[1][0], item[0]))
    ]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]


def _structure(table: Table | None) -> list[object] | None:
    if table is None:
        return None
    return [
        [[c.name, c.type, c.nullable, c.default, c.generated] for c in table.columns],
        sorted([c.kind, c.text, list(c.columns)] for c in table.constraints),
        sorted([i.name, list(i.columns), i.unique] for i in table.indexes),
    ]


def facts_key(catalog: Catalog) -> str:
    """Hash all that the facts of a query depend on: the tables, and the views and macros."""
    tables = schema_hash(catalog, [t.name for t in catalog.tables])
    if not (catalog.views or catalog.macros):
        return tables
    body = [s.model_dump_json() for s in (*catalog.views, *catalog.macros)]
    return f"{tables}-{hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]}"


def _macros(rows: Sequence[tuple[Any, ...]]) -> tuple[Macro, ...]:
    forms: dict[tuple[str, str, bool], list[MacroForm]] = {}
    for schema, name, table, parameters, types, body in rows:
        known = tuple(types) if types else (None,) * len(parameters)
        form = MacroForm(parameters=tuple(parameters), types=known, definition=body or "")
        forms.setdefault((schema, name, table), []).append(form)
    return tuple(
        Macro(name=TableName(schema_name=schema, name=name), table=table, forms=tuple(found))
        for (schema, name, table), found in forms.items()
    )


def _columns_sql(con: duckdb.DuckDBPyConnection) -> str:
    names = {r[0] for r in con.execute("DESCRIBE FROM duckdb_columns()").fetchall()}
    return _COLUMNS.format(generated="is_generated" if "is_generated" in names else "NULL")


def _one(sql: str) -> str:
    """Return a query about all tables as one about a single table."""
    only = "lower(schema_name) = lower($schema) AND lower(table_name) = lower($table)"
    return sql.replace(" ORDER BY ", f" AND {only} ORDER BY ")


def _read(
    con: duckdb.DuckDBPyConnection, ask: Callable[[str], Sequence[tuple[Any, ...]]]
) -> Iterator[Table]:
    """Yield the tables that `ask` tells of."""
    parts = {
        "columns": _grouped(ask(_columns_sql(con))),
        "constraints": _grouped(ask(_CONSTRAINTS)),
        "indexes": _grouped(ask(_INDEXES)),
        "triggers": _grouped(ask(_TRIGGERS)),
    }
    yield from (_table(con, row, parts) for row in ask(_TABLES))


def _grouped(found: Sequence[tuple[Any, ...]]) -> _Rows:
    rows: _Rows = {}
    for schema, table, *rest in found:
        rows.setdefault((schema, table), []).append(tuple(rest))
    return rows


def _table(
    con: duckdb.DuckDBPyConnection,
    row: tuple[Any, ...],
    parts: dict[str, _Rows],
) -> Table:
    schema, name, comment, sql = row
    table = TableName(schema_name=schema, name=name)
    own = {part: rows.get((schema, name), []) for part, rows in parts.items()}
    computed = _generated_names(sql or "")
    return Table(
        name=table,
        columns=tuple(_column(r, computed) for r in own["columns"]),
        rows=con.execute(f"SELECT count(*) FROM {table.sql}").fetchall()[0][0],
        constraints=tuple(_constraint(table, r) for r in own["constraints"]),
        indexes=tuple(
            Index(
                name=n,
                columns=tuple(map(_plain, keys)),
                unique=unique,
                definition=text or "",
                comment=said,
            )
            for n, keys, unique, text, said in own["indexes"]
        ),  # fmt: skip
        triggers=tuple(Trigger(name=n, definition=text) for n, text in own["triggers"]),
        comment=comment,
        definition=sql or "",
    )


def _column(row: tuple[Any, ...], computed: frozenset[str]) -> Column:
    name, kind, nullable, default, comment, is_generated = row
    generated = (name in computed) if is_generated is None else is_generated
    return Column(
        name=name,
        type=kind,
        nullable=nullable,
        default=None if generated else default,
        generated=_uncast(default, kind) if generated else None,
        comment=comment,
    )


def _uncast(expression: str, kind: str) -> str:
    """Drop the cast to the column's type that DuckDB adds each time the column is created."""
    cast, _, target = expression.rpartition(" AS ")
    # The engine writes `DECIMAL(18, 2)` and `enum('a')` here, and `DECIMAL(18,2)` and `ENUM('a')`
    # as the column's type.
    same = target.replace(" ", "").lower() == f"{kind})".replace(" ", "").lower()
    return cast.removeprefix("CAST(") if same and cast.startswith("CAST(") else expression


def _generated_names(definition: str) -> frozenset[str]:
    """Names of generated columns; DuckDB 1.5 says which they are only in the CREATE TABLE."""
    if "GENERATED ALWAYS AS(" not in definition:
        return frozenset()
    try:
        tree = sqlglot.parse_one(definition, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return frozenset()
    kinds = (exp.ComputedColumnConstraint, exp.GeneratedAsIdentityColumnConstraint)
    return frozenset(c.name for c in tree.find_all(exp.ColumnDef) if c.find(*kinds))


def _constraint(table: TableName, row: tuple[Any, ...]) -> Constraint:
    kind, text, columns, referenced, referenced_columns = row
    if kind == "FOREIGN KEY":
        # DuckDB 1.5 leaves this text empty or unquoted.
        target = TableName(schema_name=table.schema_name, name=referenced).sql
        own, theirs = (", ".join(map(quoted, names)) for names in (columns, referenced_columns))
        text = f"FOREIGN KEY ({own}) REFERENCES {target}({theirs})"
    return Constraint(kind=kind, text=text, columns=tuple(columns), referenced_table=referenced)


def _plain(key: str) -> str:
    """Return the column name of an index key, or the expression's text where it is one."""
    inner = key[1:-1]
    if len(key) > 2 and key[0] == key[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return key
