"""What is needed of each table by what a workload does not list: unmeasured statements, and
patterns beyond the heaviest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from tools.messages import TableName
from tools.product.catalog import Catalog, Table
from tools.product.column_names import table_of
from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse
from tools.product.stored_queries import BY_TEXT
from tools.product.workload import QueryPattern, TableUse

_WORD = re.compile(r"\w+")
_CALL = re.compile(rf"\b(?:{'|'.join(BY_TEXT)})\"?\s*\(", re.IGNORECASE)
_CALL_OF_TEXT = re.compile(_CALL.pattern + r"\s*'(?:[^']|'')*'\s*\)", re.IGNORECASE)
_WRITE = re.compile(r"\b(?:INSERT|MERGE)\b", re.IGNORECASE)
_ANY_WRITE = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|COPY)\b", re.IGNORECASE)
_UPSERT = re.compile(r"\b(?:MERGE|CONFLICT|REPLACE)\b", re.IGNORECASE)
_WRITERS = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy)
_UNNAMED = (exp.Star, exp.Columns, exp.PositionalColumn, exp.Pivot)


@dataclass
class _Use:
    """What is gathered about one table."""

    columns: set[str] = field(default_factory=set)
    sought: set[str] = field(default_factory=set)
    whole: bool = False
    upserted: bool = False

    def of(self, table: TableName) -> TableUse:
        """Return it as a message."""
        return TableUse(
            table=table,
            columns=() if self.whole else tuple(sorted(self.columns)),
            sought=tuple(sorted(self.sought)),
            whole=self.whole,
            upserted=self.upserted,
        )


def calls_by_text(sql: str) -> bool:
    """Whether a statement calls `query` or `query_table`, which read what a literal names."""
    return "query" in sql.lower() and _CALL.search(sql) is not None


def read_by(patterns: Iterable[QueryPattern]) -> tuple[TableUse, ...]:
    """Return what patterns read, table by table."""
    found: dict[tuple[str, str], _Use] = {}
    for pattern in patterns:
        for table in pattern.tables:
            use = found.setdefault((table.schema_name, table.name), _Use())
            use.whole |= pattern.star
        for column in pattern.columns:
            use = found.setdefault((column.table.schema_name, column.table.name), _Use())
            use.columns.add(column.column)
            use.sought |= {column.column} if column.sought else set()
    return tuple(use.of(TableName(schema_name=s, name=n)) for (s, n), use in sorted(found.items()))


class Unmeasured:
    """Gathers what statements name of the tables of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.writes: Counter[str] = Counter()
        """How many statements write to each table."""
        self._catalog = catalog
        self._plain: dict[str, list[Table]] = {}
        self._odd: dict[str, list[Table]] = {}
        self._found: dict[str, _Use] = {}
        for table in catalog.tables:
            name = table.name.name.lower()
            names = self._plain if _WORD.fullmatch(name) else self._odd
            names.setdefault(name, []).append(table)

    def add(self, sql: str, runs: int = 1) -> None:
        """Add what a statement names, whether it can be read or not."""
        lower = sql.lower()
        tables = list(self._named(lower))
        if len(_CALL.findall(sql)) > len(_CALL_OF_TEXT.findall(sql)):
            # Which table it is the text does not say.
            tables = list(self._catalog.tables)
        if not tables:
            return
        tree = _tree(sql)
        self._count(tree, runs)
        upserted = set(self._upserted(sql, tree, tables))
        names = None if tree is None or calls_by_text(sql) else _names(tree)
        whole = names is None or not _lists_columns(tree)
        for table in tables:
            if names is not None and table.name.name.lower() not in names:
                continue
            use = self._found.setdefault(str(table.name), _Use())
            use.upserted |= str(table.name) in upserted
            use.whole |= whole
            use.columns |= {c.name for c in table.columns if c.name.lower() in (names or ())}

    def add_upserts(self, sql: str, runs: int) -> None:
        """Add only what a statement upserts: cheap where it does not look like that."""
        if _WRITE.search(sql) and _UPSERT.search(sql):
            self.add(sql, runs)

    def uses(self) -> tuple[TableUse, ...]:
        """Return what was found, by table."""
        found = ((t.name, self._found.get(str(t.name))) for t in self._catalog.tables)
        return tuple(use.of(name) for name, use in found if use is not None)

    def _count(self, tree: exp.Expr | None, runs: int) -> None:
        if isinstance(tree, _WRITERS):
            target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
            table = table_of(target, self._catalog) if isinstance(target, exp.Table) else None
            if table is not None:
                self.writes[str(table.name)] += runs

    def _named(self, lower: str) -> Iterator[Table]:
        for word in self._plain.keys() & set(_WORD.findall(lower)):
            yield from self._plain[word]
        for name, tables in self._odd.items():
            if name in lower or name.replace('"', '""') in lower:
                yield from tables

    def _upserted(self, sql: str, tree: exp.Expr | None, tables: list[Table]) -> Iterator[str]:
        """Yield the tables that a statement upserts, or may where it cannot be read."""
        if tree is not None and not _is_upsert(tree):
            return
        target = tree.this.find(exp.Table) if tree is not None else None
        known = table_of(target, self._catalog) if target is not None else None
        if tree is None and not _WRITE.search(sql):
            return
        for table in tables:
            name = table.name.name.lower()
            if target is None or table is known or (known is None and name == target.name.lower()):
                yield str(table.name)


def _tree(sql: str) -> exp.Expr | None:
    """Return the tree of a write; None where it, or a part of it, cannot be read."""
    if not _ANY_WRITE.search(sql):
        # Of what else stands in a statement any column may be read: that needs no tree.
        return None
    try:
        tree = parse(sql)
    except (ParseFailed, RecursionError):
        return None
    return None if tree.find(exp.Command) is not None else tree


def _names(tree: exp.Expr) -> frozenset[str]:
    return frozenset(n.name.lower() for n in tree.find_all(exp.Identifier))


def _lists_columns(tree: exp.Expr | None) -> bool:
    """Whether a statement names each column that it needs."""
    listed = isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema)
    plain = isinstance(tree, exp.Update | exp.Delete)
    if tree is None or not (listed or plain) or tree.find(*_UNNAMED) is not None:
        return False
    sources = list(tree.find_all(exp.Table))
    rows = {s.alias_or_name.lower() for s in sources}
    return not (
        any(s.alias_column_names for s in sources)
        or any(j.method == "NATURAL" for j in tree.find_all(exp.Join))
        or any(not c.table and c.name.lower() in rows for c in tree.find_all(exp.Column))
    )


def _is_upsert(tree: exp.Expr) -> bool:
    if not isinstance(tree, exp.Insert):
        return isinstance(tree, exp.Merge)
    conflict = tree.args.get("conflict")
    updates = conflict is not None and str(conflict.args.get("action")).upper() != "DO NOTHING"
    return updates or (tree.args.get("alternative") or "").lower() == "replace"
