"""What statements that are not measured need: writes above all, which a dropped column breaks."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlglot import exp

from tools.messages import TableName
from tools.product.catalog import Table
from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse
from tools.product.workload import Workload

_WORD = re.compile(r"\w+")


class _Statement(NamedTuple):
    """The words of a statement in lower case, and the tables of which it needs every column."""

    words: frozenset[str]
    whole: frozenset[str]


class Written:
    """Which tables and columns the unmeasured statements of a workload name."""

    def __init__(self, workload: Workload) -> None:
        self._statements = [_read(s.sql) for s in workload.skipped]
        self._complete = workload.skipped_total <= len(workload.skipped)

    def names(self, table: Table) -> bool:
        """Whether some statement needs this table."""
        return not self._complete or any(self._about(table))

    def needs(self, table: Table, column: str) -> bool:
        """Whether some statement needs this column; one that lists no columns needs them all."""
        name = table.name.name.lower()
        needed = (name in s.whole or column.lower() in s.words for s in self._about(table))
        return not self._complete or any(needed)

    def _about(self, table: Table) -> list[_Statement]:
        return [s for s in self._statements if table.name.name.lower() in s.words]


def upserted(workload: Workload) -> frozenset[TableName]:
    """Return the tables that get MERGE or upserts, which the engine refuses beside triggers."""
    found = set()
    for statement in workload.skipped:
        try:
            tree = parse(statement.sql)
        except (ParseFailed, RecursionError):
            continue
        if _is_upsert(tree):
            target = tree.this.find(exp.Table)
            found.add(TableName(schema_name=target.db or "main", name=target.name))
    return frozenset(found)


def _is_upsert(tree: exp.Expr) -> bool:
    if not isinstance(tree, exp.Insert):
        return isinstance(tree, exp.Merge)
    conflict = tree.args.get("conflict")
    updates = conflict is not None and str(conflict.args.get("action")).upper() != "DO NOTHING"
    return updates or (tree.args.get("alternative") or "").lower() == "replace"


def _read(sql: str) -> _Statement:
    try:
        tree = parse(sql)
    except (ParseFailed, RecursionError):
        words = frozenset(_WORD.findall(sql.lower()))
        return _Statement(words, words)
    words = frozenset(n.name.lower() for n in tree.find_all(exp.Identifier))
    listed = isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema)
    plain = isinstance(tree, exp.Update | exp.Delete)
    if (listed or plain) and tree.find(exp.Star) is None:
        return _Statement(words, frozenset())
    return _Statement(words, words)
