"""What a change of a type does to the rows that are there: all of them, in one scan."""

from __future__ import annotations

from dataclasses import dataclass

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


def tried(change: ChangeType, probe: Probe) -> Tried:
    """Try a change and its undo on every present row."""
    column, was = quoted(change.column), quoted(f"present {change.column}")
    sql = (
        f"SELECT count(*) FILTER (({change.backward}) IS DISTINCT FROM {was}),"
        f" count(*) FILTER ({was} IS NOT NULL AND {column} IS NULL), count(*)"
        f" FROM (SELECT {column} AS {was}, ({change.forward}) AS {column}"
        f" FROM {change.table.sql})"
    )
    path = f"schema.{change.table}.properties.{change.column}"
    try:
        lost, nulled, rows = probe(sql, ())[0]
    except (ProductError, duckdb.Error) as exc:
        text = f"not every present row can be changed: {str(exc).splitlines()[0]}"
        return Tried(findings=(Finding(path=path, severity="breaking", message=text),))
    missing = f"{nulled:,} of {rows:,} values" if nulled else ""
    if not lost:
        return Tried(missing)
    text = f"{lost:,} of {rows:,} rows would not come back exactly on undo"
    return Tried(missing, (Finding(path=path, severity="breaking", message=text),))
