"""The queries that a database stores, its views and macros, and which tables each stands on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from tools.messages import Message, TableName

Key = tuple[str, str]
"""Schema and name in lower case; a text that names no schema has an empty one."""
Columns = frozenset[str] | None
"""Names in lower case; None where it may be every column."""
BY_TEXT = frozenset({"query", "query_table"})
"""Functions that read what a text names, which may be any table."""
_WHOLE = (exp.Columns, exp.Pivot, exp.Summarize, exp.Describe)
_WORD = re.compile(r"\w+")
_MAX_KEPT = 4096


class View(Message):
    """One view and its text."""

    name: TableName
    definition: str

    @property
    def label(self) -> str:
        """What to call it."""
        return f"view {self.name}"


class MacroForm(Message):
    """One way to call a macro; DuckDB does not tell the defaults of parameters."""

    parameters: tuple[str, ...]
    types: tuple[str | None, ...]
    definition: str


class Macro(Message):
    """One macro with all its forms."""

    name: TableName
    table: bool
    """Whether it gives rows and stands in a FROM."""
    forms: tuple[MacroForm, ...]

    @property
    def label(self) -> str:
        """What to call it."""
        return f"macro {self.name}"

    @property
    def definition(self) -> str:
        """The text of all forms, to look for names in."""
        return "\n".join(form.definition for form in self.forms)


Stored = View | Macro


@dataclass(frozen=True)
class _Text:
    """What one text names: tables, columns and functions."""

    tables: frozenset[Key]
    columns: Columns
    called: frozenset[str]


class StoredQueries:
    """Views and macros with what they read, directly and underneath; each is parsed once."""

    def __init__(
        self, tables: Iterable[TableName], views: Sequence[View], macros: Sequence[Macro]
    ) -> None:
        self.all: tuple[Stored, ...] = (*views, *macros)
        if not self.all:
            return
        self._tables = frozenset(map(_key, tables))
        self._views = {_key(v.name): v for v in views}
        self._macros: dict[str, list[Macro]] = {}
        for macro in macros:
            self._macros.setdefault(macro.name.name.lower(), []).append(macro)
        self._named: dict[str, list[Key]] = {}
        for key in (*self._tables, *self._views):
            self._named.setdefault(key[1], []).append(key)
        self._direct = {s: self._reads(s) for s in self.all}
        self._readers: dict[Key, list[Stored]] = {}
        for stored, (read, _) in self._direct.items():
            for key in read:
                self._readers.setdefault(key, []).append(stored)
        self._under: dict[Stored, Mapping[Key, Columns]] = {}

    def reading(self, table: TableName, column: str | None) -> tuple[Stored, ...]:
        """Return what names `table` itself (and, of it, `column` or everything)."""
        if not self.all:
            return ()
        key = _key(table)
        readers = self._readers.get(key, ())
        return tuple(s for s in readers if _holds(self._direct[s][0][key], column))

    def reaches(self, stored: Stored, table: TableName, column: str | None) -> bool:
        """Whether a view or macro may read a column, or anything, itself or through others."""
        found = self._beneath(stored)
        return _key(table) in found and _holds(found[_key(table)], column)

    def used(self, sql: str, tree: exp.Expr, scopes: list[Scope]) -> tuple[Stored, ...]:
        """Return the views that a statement reads and the macros it calls."""
        if not self.all:
            return ()
        read = _named_tables(tree, scopes)
        views = [v for k in read for key in self._resolved(k) if (v := self._views.get(key))]
        names = _called(sql) & self._macros.keys() if self._macros else ()
        macros = [m for name in sorted(names) for m in self._macros[name]]
        return tuple(dict.fromkeys((*views, *macros)))

    def beneath(self, stored: Iterable[Stored]) -> dict[Key, Columns]:
        """Return the tables under views and macros, with the columns that are named of each."""
        found: dict[Key, Columns] = {}
        for one in stored:
            _add(found, self._beneath(one))
        return found

    def called(self, stored: Stored) -> frozenset[Stored]:
        """Return the macros that a view or macro may call itself."""
        return frozenset(s for s in self._direct[stored][1] if isinstance(s, Macro))

    def _beneath(self, stored: Stored) -> Mapping[Key, Columns]:
        if stored not in self._under:
            found: dict[Key, Columns] = {}
            seen, left = {stored}, [stored]
            while left:
                read, used = self._direct[left.pop()]
                _add(found, read)
                left += used - seen
                seen |= used
            self._under[stored] = found
        return self._under[stored]

    def _reads(self, stored: Stored) -> tuple[dict[Key, Columns], frozenset[Stored]]:
        """Return the tables that one names itself, and the views and macros it uses."""
        tables: dict[Key, Columns] = {}
        used: set[Stored] = set()
        for text in _texts(stored):
            read = _read(text)
            if read is None:
                read = self._guessed(text)
            if read.called & BY_TEXT:
                _add(tables, dict.fromkeys(self._tables))
            for key in (k for name in read.tables for k in self._resolved(name, stored)):
                if key in self._tables:
                    _add(tables, {key: read.columns})
                else:
                    used.add(self._views[key])
            used.update(m for name in read.called for m in self._macros.get(name, ()))
        return tables, frozenset(used)

    def _guessed(self, text: str) -> _Text:
        """Return what an unreadable text may name: all whose name stands somewhere in it."""
        lower = text.lower()
        words = frozenset(_WORD.findall(lower))

        def held(name: str) -> bool:
            if _WORD.fullmatch(name):
                return name in words
            return name in lower or name.replace('"', '""') in lower

        named = (k for name, keys in self._named.items() if held(name) for k in keys)
        called = (name for name in (*self._macros, *BY_TEXT) if held(name))
        return _Text(frozenset(named), None, frozenset(called))

    def _resolved(self, key: Key, home: Stored | None = None) -> Sequence[Key]:
        """Return the tables and views that a name may mean."""
        schema, name = key
        same = self._named.get(name, ())
        if schema:
            # What is no schema of these may be the name of the database.
            return [key] if key in same else same
        near = {"main", home.name.schema_name.lower()} if home else {"main"}
        return [k for k in same if k[0] in near] or same


def _key(name: TableName) -> Key:
    return (name.schema_name.lower(), name.name.lower())


def _holds(columns: Columns, column: str | None) -> bool:
    return column is None or columns is None or column.lower() in columns


def _add(found: dict[Key, Columns], more: Mapping[Key, Columns]) -> None:
    for key, columns in more.items():
        known = found.get(key, frozenset())
        found[key] = None if known is None or columns is None else known | columns


def _texts(stored: Stored) -> Iterator[str]:
    """Yield statements that can be parsed on their own."""
    if isinstance(stored, View):
        yield stored.definition
        return
    start = "" if stored.table else "SELECT "
    yield from (start + form.definition for form in stored.forms)


@lru_cache(maxsize=_MAX_KEPT)
def _read(text: str) -> _Text | None:
    """Return what a view's or macro's text names; None where it cannot be read."""
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
        body = tree.expression if isinstance(tree, exp.Create) else tree
        if not isinstance(body, exp.Query | exp.Summarize | exp.Describe):
            return None
        tables = _named_tables(body, traverse_scope(body))
        return _Text(tables, _named_columns(body), _called(text))
    except (SqlglotError, RecursionError, ValueError, AssertionError):
        return None


def _named_tables(tree: exp.Expr, scopes: list[Scope]) -> frozenset[Key]:
    """Return all tables and views that are named; the name of a CTE is one only outside of it."""
    ctes = {c.alias.lower() for c in tree.find_all(exp.CTE)}
    found = [t for t in tree.find_all(exp.Table) if t.db or t.name.lower() not in ctes]
    if ctes:
        found += [s for o in scopes for s in o.sources.values() if isinstance(s, exp.Table)]
    return frozenset((t.db.lower(), t.name.lower()) for t in found if t.name)


def _named_columns(tree: exp.Expr) -> Columns:
    """Return the columns that a query names, in any table; None where it may be all."""
    stars = (s for s in tree.find_all(exp.Star) if not isinstance(s.parent, exp.Count))
    natural = (j for j in tree.find_all(exp.Join) if j.method == "NATURAL")
    columns = list(tree.find_all(exp.Column))
    sources = {t.alias_or_name.lower() for t in tree.find_all(exp.Table)}
    rows = (c for c in columns if not c.table and c.name.lower() in sources)
    if any(True for found in (stars, natural, rows, tree.find_all(*_WHOLE)) for _ in found):
        return None
    using = (n.name for j in tree.find_all(exp.Join) for n in j.args.get("using") or ())
    names = (*(part.name for c in columns for part in c.parts), *using)
    return frozenset(name.lower() for name in names)


def _called(sql: str) -> frozenset[str]:
    """Return what stands before a parenthesis: every function is there, however it is called."""
    tokens = sqlglot.tokenize(sql, dialect="duckdb")
    opening = sqlglot.TokenType.L_PAREN
    return frozenset(a.text.lower() for a, b in pairwise(tokens) if b.token_type == opening)
