"""Keeping the values of a dropped column, and giving each back to its own row."""

from __future__ import annotations

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.errors import UndoConflict
from tools.product.rebuild import numbered, rebuild
from tools.product.undo_checks import stop_where

_INSTANT = "TIMESTAMP WITH TIME ZONE"
_INSTANTS = (_INSTANT, "TIMESTAMPTZ_NS")
STANDING = 20
"""Rows stand as they stood when at least one in so many has its number, or its rank, still."""
VECTOR = 2048
"""Rows of the engine's smallest unit; row groups that it filled begin at a multiple."""


def keep(table: Table, column: Column, kept: TableName, *, rebuilt: bool) -> str:
    """Return the statement that keeps each value with its row's number and a digest of the rest.

    A table that is `rebuilt` without the column then numbers its rows without gaps.
    """
    source, number = numbered(table)
    rid = f"row_number() OVER (ORDER BY {number}) - 1" if rebuilt else number
    digest = _digest(_others(table, column))
    return (
        f"CREATE TABLE {kept.sql} AS SELECT {rid} AS rid, {digest} AS digest,"
        f" t.{quoted(column.name)} AS value FROM {source} ORDER BY 1"
    )


def restore(
    table: Table, before: Table, column: Column, catalog: Catalog, kept: TableName
) -> tuple[str, ...]:
    """Return the statements that add the column again, in its place, each value in its row.

    A row is recognised by its number and the digest of its other columns; when rows moved, by
    their order; then by a digest that is unique, unless its number speaks against it. What stays
    unrecognised stops the undo.
    """
    others = _unchanged(table, before, column)
    matched = TableName(schema_name="pillion", name=f"match_{kept.name}")
    at = [c.name for c in before.columns].index(column.name)
    new = table.model_copy(update={"columns": (*table.columns[:at], column, *table.columns[at:])})
    source, number = numbered(table)
    joined = (
        f"{source} LEFT JOIN {matched.sql} AS pillion_m ON pillion_m.rid = {number}"
        f" LEFT JOIN {kept.sql} AS pillion_k ON pillion_k.rowid = pillion_m.kept"
    )
    value = (
        f"CASE WHEN pillion_m.kept IS NULL THEN {column.default or 'NULL'} ELSE pillion_k.value END"
    )
    return (
        f"CREATE TABLE {matched.sql} AS {_match(source, number, _digest(others, kept), kept)}",
        _check(_ambiguous(table, matched, kept), table, kept),
        _check(_displaced(matched), table, kept),
        *rebuild(
            table, new, catalog, values={column.name: value}, source=joined, order_by=[number]
        ),
        f"DROP TABLE {matched.sql}",
        f"DROP TABLE {kept.sql}",
    )


def _others(table: Table, column: Column) -> list[Column]:
    return [c for c in table.columns if c.name != column.name and c.generated is None]


def _unchanged(table: Table, before: Table, column: Column) -> list[Column]:
    """Return the other columns of that time; raises `UndoConflict` when one is not as it was."""
    others = _others(before, column)
    for was in others:
        now = table.column(was.name)
        if now is None or was.type != now.type:
            raise UndoConflict(
                f"{table.name}.{was.name} was changed since {column.name} was dropped.",
                hint="Undo that change first.",
            )
    return others


def _digest(columns: list[Column], kept: TableName | None = None) -> str:
    """Return SQL for the digest of a row `t`, taken as those in `kept` were.

    The engine's own hash() may differ between versions; kept values outlive an upgrade.
    """
    if not columns:
        return "0"
    plain = f"md5_number_lower({_text([f't.{quoted(c.name)}' for c in columns])})"
    if not any(map(_holds_instants, columns)):
        return plain
    digest = f"md5_number({_text([_told(c) for c in columns])})"
    if kept is None:
        return digest
    # 0.1.0 took the text of instants, which the time zone of the session decides.
    old = f"(SELECT typeof(digest) FROM {kept.sql} LIMIT 1) = 'UBIGINT'"
    return f"CASE WHEN {old} THEN CAST({plain} AS UHUGEINT) ELSE {digest} END"


def _text(values: list[str]) -> str:
    return f"CAST(ROW({', '.join(values)}) AS VARCHAR)"


def _told(column: Column) -> str:
    """Return SQL for a value whose text is the same in every session."""
    name = f"t.{quoted(column.name)}"
    if column.type == _INSTANT:
        ever = f"CAST({name} AS VARCHAR)"
        return f"CASE WHEN isfinite({name}) THEN CAST(epoch_us({name}) AS VARCHAR) ELSE {ever} END"
    return f"create_sort_key({name}, 'ASC NULLS LAST')" if _holds_instants(column) else name


def _holds_instants(column: Column) -> bool:
    return any(i in column.type for i in _INSTANTS)


def _match(source: str, number: str, digest: str, kept: TableName) -> str:
    """Return, for each present row with a kept value, its number now and then (rid, old) and where
    the value is kept (kept).
    """
    return (
        "WITH present AS MATERIALIZED (SELECT rid, digest, row_number() OVER (ORDER BY rid) - 1 AS"
        f" pos FROM (SELECT {number} AS rid, {digest} AS digest FROM {source})),"
        f" kept AS MATERIALIZED (SELECT rowid AS pos, rid, digest FROM {kept.sql}),"
        " way AS MATERIALIZED (SELECT"
        " (SELECT count(*) FROM present JOIN kept USING (rid, digest))"
        " >= (SELECT count(*) FROM present JOIN kept USING (pos, digest)) AS by_rid),"
        " p AS (SELECT rid, digest, CASE WHEN by_rid THEN rid ELSE pos END AS place"
        " FROM present, way),"
        " k AS (SELECT pos AS kept, rid AS old, digest,"
        " CASE WHEN by_rid THEN rid ELSE pos END AS place FROM kept, way),"
        " direct AS MATERIALIZED (SELECT p.rid, k.old, k.kept FROM p JOIN k USING (place, digest)),"
        " lone_p AS (SELECT digest, min(rid) AS rid FROM p ANTI JOIN direct USING (rid)"
        " GROUP BY digest HAVING count(*) = 1),"
        " lone_k AS (SELECT digest, min(old) AS old, min(kept) AS kept"
        " FROM k ANTI JOIN direct USING (kept) GROUP BY digest HAVING count(*) = 1)"
        " SELECT rid, old, kept FROM direct"
        " UNION ALL SELECT lone_p.rid, lone_k.old, lone_k.kept"
        " FROM lone_p JOIN lone_k USING (digest)"
    )


def _ambiguous(table: Table, matched: TableName, kept: TableName) -> str:
    """Return SQL for the number of values that may belong to another row than they would get.

    Values without a row are harmless when rows were only deleted; when there are rows without a
    value too, those may be the same rows, updated. A deleted row's twin may hold its value.
    """
    lost = f"(SELECT * FROM {kept.sql} AS k ANTI JOIN {matched.sql} AS m ON m.kept = k.rowid)"
    return (
        f"SELECT CASE WHEN (SELECT count(*) FROM {table.name.sql})"
        f" > (SELECT count(*) FROM {matched.sql})"
        f" THEN (SELECT count(*) FROM {lost})"
        f" ELSE (SELECT count(*) FROM {lost} AS l WHERE EXISTS (SELECT 1 FROM {kept.sql} AS o"
        " WHERE o.digest = l.digest AND o.value IS DISTINCT FROM l.value)) END AS n"
    )


def _displaced(matched: TableName) -> str:
    """Return SQL for the number of values whose row cannot have come by its present place.

    Where rows stand as they stood, one elsewhere was inserted since, or holds what another row
    held. The engine itself only closes gaps: rows keep their order, numbers fall, and by less than
    the one before only where a row group begins. A table that somebody rewrote stands nowhere.
    """
    moved = f"(SELECT count(*) FROM {matched.sql} WHERE rid <> old) > 0"
    pairs = (
        "SELECT old, rid AS new, row_number() OVER (ORDER BY old) AS was,"
        f" row_number() OVER (ORDER BY rid) AS now FROM {matched.sql} WHERE {moved}"
    )
    odd = (
        "was <> now OR new > old"
        f" OR (old - new < lag(old - new) OVER (ORDER BY old) AND new % {VECTOR} <> 0)"
    )
    return (
        f"SELECT CASE WHEN {STANDING} * count(*) FILTER (old = new) >= count(*) AND bool_or(odd)"
        " THEN count(*) FILTER (old <> new)"
        f" WHEN {STANDING} * count(*) FILTER (was = now) >= count(*)"
        " THEN count(*) FILTER (was <> now) ELSE 0 END AS n"
        f" FROM (SELECT *, {odd} AS odd FROM ({pairs}))"
    )


def _check(count: str, table: Table, kept: TableName) -> str:
    end = (
        f" values of the dropped column have no certain row in {table.name} any more, since rows"
        f" were changed or deleted. They are in {kept} (rid, digest, value); undo later changes"
        " of this table first, or restore them by hand from there."
    )
    return stop_where(count, "", end)
