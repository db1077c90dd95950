"""What a change of a type does to the rows that are there: all of them, in one scan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from tools.messages import ChangeType, Finding, quoted
from tools.product.contract_inference import Probe
from tools.product.errors import ProductError


@dataclass(frozen=True)
class Tried:
    """What became of the present rows."""

    nulled: str = ""
    """How many values the change makes NULL, in words; empty where it makes none."""
    findings: tuple[Finding, ...] = ()
    nulls: int = 0
    """How many would be NULL then, with those that are now; 0 where the change makes none."""
    rows: int = 0


def tried(change: ChangeType, probe: Probe) -> Tried:
    """Try a change and its undo on every present row."""
    column, was = quoted(change.column), quoted(f"present {change.column}")
    sql = (
        f"SELECT count(*) FILTER (({change.backward}) IS DISTINCT FROM {was}),"
        f" count(*) FILTER ({was} IS NOT NULL AND {column} IS NULL),"
        f" count(*) FILTER ({column} IS NULL), count(*)"
        f" FROM (SELECT {column} AS {was}, ({change.forward}) AS {column}"
        f" FROM {change.table.sql})"
    )
    path = f"schema.{change.table}.properties.{change.column}"
    try:
        lost, nulled, nulls, rows = probe(sql, ())[0]
    except (ProductError, duckdb.Error) as exc:
        text = f"not every present row can be changed: {str(exc).splitlines()[0]}"
        return Tried(findings=(Finding(path=path, severity="breaking", message=text),))
    missing = f"{nulled:,} of {rows:,} values" if nulled else ""
    found = Tried(missing, nulls=nulls if nulled else 0, rows=rows)
    if not lost:
        return found
    text = f"{lost:,} of {rows:,} rows would not come back exactly on undo"
    finding = Finding(path=path, severity="breaking", message=text)
    return replace(found, findings=(finding,))
