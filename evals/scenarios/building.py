"""Writing a scenario's files: database, query log, contract."""

from __future__ import annotations

import csv
import math
import random
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml

from evals.scenarios.scenario import Asked, Consumer
from tools.demo.tpcgen import Benchmark, generate
from tools.messages import quoted

END = datetime(2026, 3, 31, 8)
"""Every log ends here: the later month comes after it."""
MONTH = 30
"""Days in which a query runs as often as it says."""
FEWEST_DAYS, MOST_DAYS = 7, 90
MOST_TIMINGS, MOST_TIMED_MS = 5, 500.0
"""How often a query of the log is timed, and for how long together."""


def write_database(directory: Path, family: str, statements: Iterable[str]) -> Path:
    """Make the product's file with plain DuckDB."""
    path = directory / f"{family}.duckdb"
    with duckdb.connect(str(path)) as con:
        for statement in statements:
            con.execute(statement)
    return path


def write_generated(
    directory: Path, benchmark: Benchmark, scale: float, tables: Mapping[str, str]
) -> Path:
    """Make the product's file of a benchmark's tables, each with what follows its FROM.

    Raises `ProductError` when the generator is missing or fails.
    """
    with tempfile.TemporaryDirectory(dir=directory) as generated:
        generate(benchmark, Path(generated), scale, tuple(tables))
        return write_database(
            directory,
            benchmark,
            (
                f"CREATE TABLE {quoted(table)} AS SELECT * FROM"
                f" {quoted(f'{generated}/{table}.parquet')} {rest}"
                for table, rest in tables.items()
            ),
        )


def log_days(family: str, seed: int, fewest: int = FEWEST_DAYS, most: int = MOST_DAYS) -> int:
    """Return how many days a product has been asked; one of a month is in the middle."""
    drawn = random.Random(f"{family} {seed}").uniform(math.log(fewest), math.log(most))
    return round(math.exp(drawn))


def write_log(
    path: Path,
    database: Path,
    asked: Sequence[Asked],
    seed: int,
    writes: Sequence[Asked] = (),
    days: Sequence[int] = (),
) -> Path:
    """Write a log in which each query ran as often a month as it says, as slow as it is here.

    Its days are those of `log_days`, or `days`: one that stands there more than once is asked more
    than the others.
    """
    rng = random.Random(seed)
    lines = []
    days = days or range(log_days(database.stem, seed))
    count = max(days) + 1
    start = END - timedelta(days=count)
    with duckdb.connect(str(database), read_only=True, config={"threads": 1}) as con:
        took = {q.sql: _milliseconds(con, q.sql) for q in asked}
    for query in (*asked, *writes):
        for _ in range(max(1, round(query.runs * count / MONTH))):
            at = start + timedelta(
                days=rng.choice(query.days or days), seconds=rng.randrange(36_000)
            )
            ms = round(took.get(query.sql, 1.0) * rng.uniform(0.9, 1.3), 3)
            lines.append((at.isoformat(" "), ms, query.by, query.sql))
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("timestamp", "duration_ms", "user", "sql"))
        writer.writerows(sorted(lines))
    return path


def _milliseconds(con: duckdb.DuckDBPyConnection, sql: str) -> float:
    """Return the best of several times of the processor, so that two runs get much the same log."""
    took: list[float] = []
    while len(took) < MOST_TIMINGS and sum(took) < MOST_TIMED_MS:
        started = time.process_time()
        con.execute(sql).fetchall()
        took.append((time.process_time() - started) * 1000)
    return min(took)


def write_contract(
    path: Path, tables: Mapping[str, Mapping[str, Any]], consumers: Sequence[Consumer] = ()
) -> Path:
    """Write an ODCS contract of tables and their columns' promises, and of who reads them."""
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"urn:scenario:{path.stem}",
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": table,
                "properties": [
                    {"name": name, **promise, **_readers(consumers, table, name)}
                    for name, promise in columns.items()
                ],
            }
            for table, columns in tables.items()
        ],
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _readers(consumers: Sequence[Consumer], table: str, column: str) -> dict[str, Any]:
    """Name a column's consumers: ODCS has no word for them but a property of one's own."""
    names = [c.name for c in consumers if column in c.reads.get(table, ())]
    if not names:
        return {}
    return {"customProperties": [{"property": "consumers", "value": names}]}


def rebuilt(table: str, order_by: str) -> tuple[str, ...]:
    """Return statements that store a table in another order."""
    name = quoted(table)
    return (
        f"CREATE TABLE best_order AS SELECT * FROM {name} ORDER BY {quoted(order_by)}",
        f"DROP TABLE {name}",
        f"ALTER TABLE best_order RENAME TO {name}",
    )


def retyped(table: str, column: str, to_type: str) -> str:
    """Return the statement that stores a text column as another type."""
    name = quoted(column)
    return (
        f"ALTER TABLE {quoted(table)} ALTER {name} TYPE {to_type} USING CAST({name} AS {to_type})"
    )


def kept_totals(
    name: str, table: str, by: Mapping[str, str], figures: Mapping[str, str]
) -> tuple[str, ...]:
    """Return statements for totals that every write keeps up: inserts are added, else all anew.

    `by` and `figures` are expressions by the name of their column; figures count, sum or are a max.
    DuckDB 2 takes one such table beside another.
    """
    anew, fresh = (_grouped(source, {**by, **figures}) for source in (quoted(table), "fresh"))
    on = " AND ".join(f"b.{c} IS NOT DISTINCT FROM f.{c}" for c in by)
    columns = [*by, *figures]
    new = f"INSERT ({', '.join(columns)}) VALUES ({', '.join(f'f.{c}' for c in columns)})"
    added = ", ".join(f"{c} = {_added(c, sql)}" for c, sql in figures.items())
    again = ", ".join(f"{c} = f.{c}" for c in figures)
    into = f"FOR EACH STATEMENT MERGE INTO {name} AS b USING"
    then = f"AS f ON {on} WHEN NOT MATCHED THEN {new} WHEN MATCHED THEN UPDATE SET"
    gone = "WHEN NOT MATCHED BY SOURCE THEN DELETE"
    return (
        f"CREATE TABLE {name} AS {anew}",
        f"CREATE TRIGGER {name}_insert AFTER INSERT ON {quoted(table)} REFERENCING NEW TABLE AS"
        f" fresh {into} ({fresh}) {then} {added}",
        *(
            f"CREATE TRIGGER {name}_{event} AFTER {event} ON {quoted(table)} {into} ({anew})"
            f" {then} {again} {gone}"
            for event in ("UPDATE", "DELETE")
        ),
    )


def _grouped(source: str, columns: Mapping[str, str]) -> str:
    shown = ", ".join(f"{sql} AS {column}" for column, sql in columns.items())
    return f"SELECT {shown} FROM {source} GROUP BY ALL"


def _added(column: str, figure: str) -> str:
    """Return a figure of old and new rows; a group of missing values has none of its own."""
    old, new = f"b.{column}", f"f.{column}"
    if figure.startswith("max"):
        return f"greatest({old}, {new})"
    return f"coalesce({old} + {new}, {old}, {new})"
