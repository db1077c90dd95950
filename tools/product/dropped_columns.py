"""Keeping the values of a dropped column, and giving each back to its own row."""

from __future__ import annotations

from tools.messages import TableName, quoted
from tools.product.catalog import Catalog, Column, Table
from tools.product.errors import UndoConflict
from tools.product.rebuild import literal, numbered, rebuild

CONFLICT = "pillion undo conflict: "
"""Begins the engine's message when a check inside undo fails."""


def keep(table: Table, column: Column, kept: TableName) -> str:
    """Return the statement that keeps each value with its row's number and a digest of the rest."""
    source, number = numbered(table)
    return (
        f"CREATE TABLE {kept.sql} AS SELECT {number} AS rid,"
        f" {_digest(_others(table, column))} AS digest, t.{quoted(column.name)} AS value"
        f" FROM {source} ORDER BY 1"
    )


def restore(
    table: Table, before: Table, column: Column, catalog: Catalog, kept: TableName
) -> tuple[str, ...]:
    """Return the statements that add the column again, in its place, each value in its row.

    A row is recognised by its number and the digest of its other columns; when rows moved, by
    their order; then by a digest that is unique. What stays unrecognised stops the undo.
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
        f"CREATE TABLE {matched.sql} AS {_match(source, number, _digest(others), kept)}",
        _check(_ambiguous(table, matched, kept), table, kept),
        *rebuild(
            table, new, catalog, values={column.name: value}, source=joined, order_by=[number]
        ),
        f"DROP TABLE {matched.sql}",
        f"DROP TABLE {kept.sql}",
    )


def _others(table: Table, column: Column) -> list[str]:
    return [c.name for c in table.columns if c.name != column.name and c.generated is None]


def _unchanged(table: Table, before: Table, column: Column) -> list[str]:
    """Return the other columns of that time; raises `UndoConflict` when one is not as it was."""
    others = _others(before, column)
    for name in others:
        was, now = before.column(name), table.column(name)
        if was is None or now is None or was.type != now.type:
            raise UndoConflict(
                f"{table.name}.{name} was changed since {column.name} was dropped.",
                hint="Undo that change first.",
            )
    return others


def _digest(names: list[str]) -> str:
    # The engine's own hash() may differ between versions; kept values outlive an upgrade.
    row = ", ".join(f"t.{quoted(n)}" for n in names)
    return f"md5_number_lower(CAST(ROW({row}) AS VARCHAR))" if names else "0"


def _match(source: str, number: str, digest: str, kept: TableName) -> str:
    """Return pairs of a present row's number (rid) and the position of its kept value (kept)."""
    return (
        "WITH present AS MATERIALIZED (SELECT rid, digest, row_number() OVER (ORDER BY rid) - 1 AS"
        f" pos FROM (SELECT {number} AS rid, {digest} AS digest FROM {source})),"
        f" kept AS MATERIALIZED (SELECT rowid AS pos, rid, digest FROM {kept.sql}),"
        " way AS MATERIALIZED (SELECT"
        " (SELECT count(*) FROM present JOIN kept USING (rid, digest))"
        " >= (SELECT count(*) FROM present JOIN kept USING (pos, digest)) AS by_rid),"
        " p AS (SELECT rid, digest, CASE WHEN by_rid THEN rid ELSE pos END AS place"
        " FROM present, way),"
        " k AS (SELECT pos AS kept, digest, CASE WHEN by_rid THEN rid ELSE pos END AS place"
        " FROM kept, way),"
        " direct AS MATERIALIZED (SELECT p.rid, k.kept FROM p JOIN k USING (place, digest)),"
        " lone_p AS (SELECT digest, min(rid) AS rid FROM p ANTI JOIN direct USING (rid)"
        " GROUP BY digest HAVING count(*) = 1),"
        " lone_k AS (SELECT digest, min(kept) AS kept FROM k ANTI JOIN direct USING (kept)"
        " GROUP BY digest HAVING count(*) = 1)"
        " SELECT rid, kept FROM direct"
        " UNION ALL SELECT lone_p.rid, lone_k.kept FROM lone_p JOIN lone_k USING (digest)"
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


def _check(count: str, table: Table, kept: TableName) -> str:
    end = (
        f" values of the dropped column have no certain row in {table.name} any more, since rows"
        f" were changed or deleted. They are in {kept} (rid, digest, value); undo later changes"
        " of this table first, or restore them by hand from there."
    )
    return (
        f"SELECT CASE WHEN n > 0 THEN error({literal(CONFLICT)} || n || {literal(end)}) END"
        f" FROM ({count})"
    )
