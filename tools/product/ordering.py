"""What a query's own ORDER BY and LIMIT promise about its result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse


@dataclass(frozen=True)
class Ordering:
    """The outermost ORDER BY: each key as an ordinal, an output name, or unknown."""

    keys: tuple[int | str | None, ...]

    def positions(self, columns: tuple[str, ...]) -> tuple[int, ...] | None:
        """Return the keys as positions in the output; None where one isn't part of it."""
        lowered = [c.lower() for c in columns]
        found: list[int] = []
        for key in self.keys:
            if isinstance(key, int) and key < len(columns):
                found.append(key)
            elif isinstance(key, str) and lowered.count(key) == 1:
                found.append(lowered.index(key))
            else:
                return None
        return tuple(found)


@dataclass(frozen=True)
class Shape:
    """Order and limit of the outermost query."""

    ordering: Ordering | None
    unlimited: str | None
    """The query without its LIMIT, when it has one."""


@lru_cache(maxsize=2048)
def shape_of(sql: str) -> Shape:
    """Return the outermost ORDER BY and LIMIT of a query."""
    try:
        tree = parse(sql)
    except ParseFailed:
        return Shape(None, None)
    order = tree.args.get("order")
    ordering = Ordering(tuple(_key(o, tree) for o in order.expressions)) if order else None
    if tree.args.get("limit") is None and tree.args.get("offset") is None:
        return Shape(ordering, None)
    bare = tree.copy()
    for part in ("limit", "offset", "order"):
        bare.set(part, None)
    return Shape(ordering, bare.sql(dialect="duckdb"))


def _key(ordered: exp.Expr, tree: exp.Expr) -> int | str | None:
    key = ordered.this
    if isinstance(key, exp.Literal):
        whole = not key.is_string and key.name.isdecimal() and int(key.name) > 0
        return int(key.name) - 1 if whole else None
    name = key.name.lower() if isinstance(key, exp.Column) else None
    selected = tree.selects if isinstance(tree, exp.Query) else []
    if any(s.is_star for s in selected):
        return name
    # An output name comes before a column of the table.
    bare = name if isinstance(key, exp.Column) and not key.table else None
    for position, projection in enumerate(selected):
        if bare is not None and bare == projection.alias_or_name.lower():
            return position
    return next((i for i, s in enumerate(selected) if s.unalias() == key), name)
