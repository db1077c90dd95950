"""Results of queries: taken once, compared as bags, with floats to nine digits."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from tools.messages import quoted
from tools.product.exact_rows import ask
from tools.product.ordering import Ordering, shape_of

CELLS = 100_000
"""Larger results are compared inside the engine by count, hash sums and float sums."""
GREEDY = 200
TOLERANCE = 1e-9
_FLOATS = ("FLOAT", "DOUBLE")
_NUMBERS = frozenset(
    "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT"
    " FLOAT DOUBLE".split()
)
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """One result: its rows, or digests where it is large."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    count: int
    rows: tuple[Row, ...] | None
    digests: Row = ()
    sequences: tuple[Row, ...] = ()
    """Digests of each column's values in their order, where a large result has an ORDER BY."""


def capture(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """Run a query and keep what is needed to compare its result."""
    found = ask(con, sql, lambda columns: max(1, CELLS // max(1, columns)))
    if not found.truncated:
        return Answer(found.columns, found.types, len(found.rows), tuple(found.rows))
    return digest(con, sql, found.columns, found.types)


def digest(
    con: duckdb.DuckDBPyConnection, sql: str, columns: tuple[str, ...], types: tuple[str, ...]
) -> Answer:
    """Compute count, hash sum and weighted float sums of a result inside the engine."""
    names = [quoted(f"c{i}") for i in range(len(columns))]
    floats = [n for n, t in zip(names, types, strict=True) if t in _FLOATS]
    exact = [n for n in names if n not in floats]
    # Weights tie each float to the rest of its row: swapped values are found as well.
    weight = f"(1 + hash({', '.join(exact)}) % 997)" if exact else "1"
    wanted = ["count(*)", f"sum(hash({', '.join(exact)}))" if exact else "0"]
    wanted += [part for name in floats for part in _float_sums(name, weight)]
    plain = len(wanted)
    text = f"(\n{sql.strip().rstrip(';')}\n) AS q({', '.join(names)})"
    if shape_of(sql).ordering is not None:
        text = f"(SELECT *, row_number() OVER () AS n FROM {text})"
        wanted += [part for name in names for part in _sequence(name, name in floats)]
    found = con.execute(f"SELECT {', '.join(wanted)} FROM {text}").fetchall()[0]
    rest = iter(found[plain:])
    sequences = (
        tuple(tuple(next(rest) for _ in range(4 if name in floats else 1)) for name in names)
        if len(found) > plain
        else ()
    )
    return Answer(columns, types, int(found[0]), None, tuple(found[1:plain]), sequences)


def _sequence(name: str, is_float: bool) -> list[str]:
    """Return what tells a column's values in this order from the same values in another."""
    return _float_sums(name, "(1 + hash(n) % 997)", "n") if is_float else [f"sum(hash(n, {name}))"]


def _float_sums(name: str, weight: str, *beside: str) -> list[str]:
    finite = f"FILTER (WHERE isfinite({name}))"
    odd = f"CASE WHEN isfinite({name}) THEN '' ELSE {name}::VARCHAR END"
    return [
        f"count({name})",
        f"sum(hash({', '.join((odd, *beside))}))",
        f"sum({weight} * {name}::DOUBLE) {finite}",
        f"sum({weight} * abs({name}::DOUBLE)) {finite}",
    ]


def difference(before: Answer, after: Answer, ordering: Ordering | None = None) -> str | None:
    """Return how two results differ, or None; with `ordering` the order of rows counts too."""
    shape = _shape_difference(before, after)
    if shape is not None:
        return shape
    if before.rows is None or after.rows is None:
        found = _digest_difference(before, after)
        moved = ordering is not None and not keys_equal(before, after, ordering)
        return found or ("rows come in another order" if moved else None)
    if all(map(_rows_equal, before.rows, after.rows)):
        return None
    floats = [t in _FLOATS or u in _FLOATS for t, u in zip(before.types, after.types, strict=True)]
    if not _bags_equal(before.rows, after.rows, floats):
        return "rows differ"
    if ordering is None or keys_equal(before, after, ordering):
        return None
    return "rows come in another order"


def keys_equal(before: Answer, after: Answer, ordering: Ordering) -> bool:
    """Whether both results show the same ORDER BY keys, row by row; False where that is unknown.

    Digests whose keys aren't all in the output have to come in the same order altogether.
    """
    positions = ordering.positions(before.columns)
    if before.rows is None or after.rows is None:
        return _sequences_equal(before.sequences, after.sequences, positions)
    if positions is None:
        return False
    return all(
        all(_cells_equal(b[i], a[i]) for i in positions)
        for b, a in zip(before.rows, after.rows, strict=True)
    )


def _sequences_equal(
    before: tuple[Row, ...], after: tuple[Row, ...], positions: tuple[int, ...] | None
) -> bool:
    if not before or len(before) != len(after):
        return False
    return all(
        old == new if len(old) == 1 else len(new) == len(old) and _sums_equal(old, new)
        for i, (old, new) in enumerate(zip(before, after, strict=True))
        if positions is None or i in positions
    )


def _shape_difference(before: Answer, after: Answer) -> str | None:
    if [c.lower() for c in before.columns] != [c.lower() for c in after.columns]:
        return f"columns are {', '.join(after.columns)} instead of {', '.join(before.columns)}"
    for name, old, new in zip(before.columns, before.types, after.types, strict=True):
        if _family(old) != _family(new):
            return f"consumers would see {name} as {new} instead of {old}"
    if before.count != after.count:
        return f"{after.count} rows instead of {before.count}"
    return None


def _family(kind: str) -> str:
    if kind in _NUMBERS or kind.startswith("DECIMAL"):
        return "number"
    return "text" if kind == "VARCHAR" or kind.startswith("ENUM") else kind


def _digest_difference(before: Answer, after: Answer) -> str | None:
    old, new = before.digests, after.digests
    if len(old) != len(new) or old[:1] != new[:1]:
        return "contents differ"
    fours = range(1, len(old), 4)
    equal = all(_sums_equal(old[i : i + 4], new[i : i + 4]) for i in fours)
    return None if equal else "contents differ"


def _sums_equal(before: Row, after: Row) -> bool:
    """Whether the four sums of a float column agree: the values to nine digits."""
    size = max(abs(before[3] or 0), abs(after[3] or 0))
    return before[:2] == after[:2] and abs((before[2] or 0) - (after[2] or 0)) <= TOLERANCE * size


def _rows_equal(before: Row, after: Row) -> bool:
    return all(map(_cells_equal, before, after))


def _cells_equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return _floats_equal(a, b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_cells_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_cells_equal(a[k], b[k]) for k in a)
    return bool(a == b)


def _floats_equal(a: Any, b: Any) -> bool:
    if not isinstance(a, float | int | Decimal) or not isinstance(b, float | int | Decimal):
        return a is b
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=1e-12)


def _bags_equal(before: tuple[Row, ...], after: tuple[Row, ...], floats: list[bool]) -> bool:
    old, new = _grouped(before, floats), _grouped(after, floats)
    return old.keys() == new.keys() and all(_group_equal(old[k], new[k]) for k in old)


def _grouped(rows: tuple[Row, ...], floats: list[bool]) -> dict[Row, list[Row]]:
    groups: dict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(_exact(v) for v, f in zip(row, floats, strict=True) if not f)
        groups[key].append(tuple(v for v, f in zip(row, floats, strict=True) if f))
    return groups


def _exact(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict | tuple | float) else value


def _group_equal(before: list[Row], after: list[Row]) -> bool:
    if len(before) != len(after):
        return False
    old, new = sorted(before, key=_rank), sorted(after, key=_rank)
    if all(map(_rows_equal, old, new)):
        return True
    # Values a rounding apart may sort differently beside a second float column.
    return len(old) <= GREEDY and _matched(old, new)


def _matched(before: list[Row], after: list[Row]) -> bool:
    left = list(after)
    for row in before:
        found = next((i for i, other in enumerate(left) if _rows_equal(row, other)), None)
        if found is None:
            return False
        left.pop(found)
    return True


def _rank(row: Row) -> list[tuple[bool, bool, float]]:
    return [_rank_of(v) for v in row]


def _rank_of(value: Any) -> tuple[bool, bool, float]:
    if value is None or math.isnan(value):
        return (value is None, value is not None, 0.0)
    return (False, False, float(value))
