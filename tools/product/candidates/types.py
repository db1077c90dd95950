"""Text that holds numbers, dates or timestamps and is cast by queries: store it as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tools.messages import Candidate, ChangeType, change_id, quoted
from tools.product.candidates.context import CandidateContext, Found, each, weight
from tools.product.catalog import Table
from tools.product.contract import MARKERS
from tools.product.logical_types import INTEGERS, normal_type, zoned
from tools.product.rebuild import literal

TARGETS = (
    "INTEGER", "BIGINT", "DATE", "TIMESTAMP", "DECIMAL", "DOUBLE", *(
        # Fifteen digits are the same number as a float.
        f"DECIMAL(15,{scale})" for scale in (2, 1, 3, 4, 6)
    ), "BOOLEAN",
)  # fmt: skip
FLOATS = frozenset({"DOUBLE", "FLOAT"})
TIMESTAMP_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S",
)  # fmt: skip
_ZEROS = {"DOUBLE": r"\.0$", "DECIMAL": r"\.?0+$"}
"""What the text of a number ends with where people leave it out."""
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d")


class _Way(NamedTuple):
    """One way to store a text: the type and the two expressions over the column `{c}`."""

    to_type: str
    forward: str
    backward: str


def find_types(context: CandidateContext) -> Found:
    """Propose a type for each cast text column, where every present row survives both ways."""
    return each(context.steps, context.catalog.tables, lambda table: _ideas(context, table))


def _ideas(context: CandidateContext, table: Table) -> Found:
    candidates: list[Candidate] = []
    staying: dict[str, list[str]] = {}
    wanted = {c: casts for c in _text_columns(table) if (casts := _casts(context, table, c))}
    if not wanted or not table.rows:
        return Found(())
    marker_of = _markers(context, table, list(wanted))
    for column, casts in wanted.items():
        marker, reason = marker_of[column]
        reason = reason or _guard(context, table, column)
        way = _exact_way(context, table, column, casts, marker) if not reason else None
        if way is None:
            staying.setdefault(reason or _example(casts), []).append(column)
        else:
            candidates.append(_candidate(context, table, column, way, marker))
    notes = (
        f"{table.name}.{', '.join(columns)} {'stays' if len(columns) == 1 else 'stay'} text: {why}"
        for why, columns in staying.items()
    )
    return Found(tuple(candidates), tuple(notes))


def _text_columns(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.type == "VARCHAR" and c.generated is None]


def _casts(context: CandidateContext, table: Table, column: str) -> frozenset[str]:
    found = {c for _, use in context.uses(table.name, column) for c in use.casts}
    return frozenset(c for c in found if c != "VARCHAR")


def _guard(context: CandidateContext, table: Table, column: str) -> str:
    """Return why a column is expected to hold other values some day, or nothing."""
    casting = [use for _, use in context.uses(table.name, column) if use.casts]
    if not all(use.guarded for use in casting):
        # A value that doesn't fit would fail these queries already.
        return ""
    return "every query is ready for values that don't fit (TRY_CAST), and a type would refuse them"


def _example(casts: frozenset[str]) -> str:
    return f"some value does not survive {'/'.join(sorted(casts))} and back exactly"


def _markers(
    context: CandidateContext, table: Table, columns: list[str]
) -> dict[str, tuple[str | None, str]]:
    """Return each column's only marker for missing values, or why it cannot have one."""
    parts = []
    for column in columns:
        name = quoted(column)
        parts.append(f"count(*) FILTER ({name} IS NULL)")
        parts += [f"count(*) FILTER ({name} = {literal(m)})" for m in MARKERS]
    row = context.probe(f"SELECT {', '.join(parts)} FROM {table.name.sql}")[0]
    width = len(MARKERS) + 1
    found: dict[str, tuple[str | None, str]] = {}
    for position, column in enumerate(columns):
        nulls, *counts = row[position * width : (position + 1) * width]
        used = [m for m, n in zip(MARKERS, counts, strict=True) if n]
        if len(used) > 1 or (used and nulls):
            shown = ", ".join(map(repr, used)) + (" and NULL" if nulls else "")
            found[column] = (None, f"several signs for missing values ({shown})")
        else:
            found[column] = (used[0] if used else None, "")
    return found


def _exact_way(
    context: CandidateContext,
    table: Table,
    column: str,
    casts: frozenset[str],
    marker: str | None,
) -> _Way | None:
    """Return the first way that reproduces every row, tried in one scan."""
    ways = list(_ways(casts, marker))
    checks = ", ".join(
        f"count(*) FILTER ({_safe(w, column)} IS DISTINCT FROM {quoted(column)})" for w in ways
    )
    if not ways:
        return None
    wrong = context.probe(f"SELECT {checks} FROM {table.name.sql}")[0]
    return next((w for w, n in zip(ways, wrong, strict=True) if n == 0), None)


def _safe(way: _Way, column: str) -> str:
    """Return backward(forward(x)), NULL where forward would fail."""
    tried = way.forward.replace("CAST(", "TRY_CAST(").replace("strptime(", "try_strptime(")
    return way.backward.format(c=f"({tried.format(c=quoted(column))})")


def _ways(casts: frozenset[str], marker: str | None) -> Iterator[_Way]:
    for to_type in (t for t in TARGETS if _serves(t, casts)):
        if to_type in ("DATE", "TIMESTAMP"):
            for fmt in _formats(to_type, casts):
                parse = f"CAST(strptime({{c}}, {literal(fmt)}) AS {to_type})"
                yield _marked(to_type, parse, f"strftime({{c}}, {literal(fmt)})", marker)
            continue
        for kind in _decimals(casts) if to_type == "DECIMAL" else (to_type,):
            cast, text = f"CAST({{c}} AS {kind})", "CAST({c} AS VARCHAR)"
            yield _marked(kind, cast, text, marker)
            if to_type in _ZEROS:
                bare = f"regexp_replace({text}, '{_ZEROS[to_type]}', '')"
                yield _marked(kind, cast, bare, marker)


def _decimals(casts: frozenset[str]) -> list[str]:
    """Return the types with decimal places that queries cast to."""
    kinds = {normal_type(c) for c in casts if c.startswith("DECIMAL")}
    return sorted(k for k in kinds if not k.endswith(",0)"))


def _formats(to_type: str, casts: frozenset[str]) -> tuple[str, ...]:
    if to_type == "DATE":
        return DATE_FORMATS
    instants = any(map(zoned, casts))
    # Without its Z, an instant would be read in the session's time zone.
    return tuple(f for f in TIMESTAMP_FORMATS if not (instants and f.endswith("Z")))


def _serves(to_type: str, casts: frozenset[str]) -> bool:
    """Whether storing `to_type` can make these casts free or cheap."""
    kinds = {normal_type(c) for c in casts}
    numbers = {k for k in kinds if k in INTEGERS | FLOATS or k.startswith("DECIMAL")}
    if to_type == "DOUBLE":
        # Text is rounded half away from zero, and a float to the nearest that it can be.
        return bool(numbers) and numbers <= FLOATS
    if to_type in ("INTEGER", "BIGINT") or to_type.startswith("DECIMAL"):
        return bool(numbers)
    if to_type in ("DATE", "TIMESTAMP"):
        return any(k.startswith(("DATE", "TIMESTAMP")) for k in kinds)
    return to_type in kinds


def _marked(to_type: str, forward: str, backward: str, marker: str | None) -> _Way:
    if marker is None:
        return _Way(to_type, forward, backward)
    sign = literal(marker)
    return _Way(
        to_type,
        f"CASE WHEN {{c}} = {sign} THEN NULL ELSE {forward} END",
        f"coalesce({backward}, {sign})",
    )


def _candidate(
    context: CandidateContext, table: Table, column: str, way: _Way, marker: str | None
) -> Candidate:
    name = quoted(column)
    change = ChangeType(
        table=table.name, column=column, from_type="VARCHAR", to_type=way.to_type,
        forward=way.forward.format(c=name), backward=way.backward.format(c=name),
        null_marker=marker,
    )  # fmt: skip
    casting = [p for p, use in context.uses(table.name, column) if use.casts]
    reading = [p.fingerprint for p, _ in context.uses(table.name, column)]
    starring = [
        p.fingerprint for p in context.workload.patterns if p.star and table.name in p.tables
    ]
    return Candidate(
        id=change_id(context.product, change),
        agent="schema",
        change=change,
        reason=f"{len(casting)} queries cast this text on every run",
        fingerprints=tuple(dict.fromkeys([*reading, *starring])),
        promise=sum(weight(p) for p in casting) * min(1.0, table.rows / 10_000),
    )
