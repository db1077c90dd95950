"""Columns that follow each other: numbers rise with time, a city decides country and currency."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import rebuilt, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "correlated"
EXPECTS: Final = "gain"
DAYS = 600
CITIES = 48
BATCHES = 5


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the order of time is the known gain and that of numbers is the same one."""
    rng = random.Random(seed)
    rows = rng.randrange(370_000, 420_000)
    database = write_database(directory, FAMILY, [_table(seed, rows)])
    past = [q for _ in range(4) for q in _ask(rng, rows)]
    later = [q for _ in range(4) for q in _ask(rng, rows)]
    load = (
        f"INSERT INTO payments SELECT {rows} + i, TIMESTAMP '2026-03-01' + to_minutes(i),"
        " 'city 7', 'country 3', 'currency 0', i / 3.0 FROM range(500) AS r(i)"
    )
    writes = [Asked(load, BATCHES)]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed, writes),
        later=tuple(later),
        later_data=(load,),
        later_batches=BATCHES,
        known=(Known(("sort_table",), "payments"),),
        best=Best(rebuilt("payments", "paid")),
    )


def _table(seed: int, rows: int) -> str:
    """Return payments with a gapless number in order of time, stored in no order."""
    minute = f"CAST(i * {DAYS * 1440} // {rows} AS BIGINT)"
    return (
        f"CREATE TABLE payments AS SELECT i AS number, TIMESTAMP '2024-06-01' + to_minutes("
        f"{minute}) AS paid, 'city ' || city AS city, 'country ' || (city // 4) AS country,"
        " 'currency ' || (city // 16) AS currency, amount FROM (SELECT i,"
        f" CAST(hash(i, {seed}) % {CITIES} AS INTEGER) AS city,"
        f" CAST(hash(i, {seed}, 1) % 100000 AS DOUBLE) / 7 AS amount"
        f" FROM range({rows}) AS r(i)) ORDER BY hash(i, {seed}, 2)"
    )


def _ask(rng: random.Random, rows: int) -> tuple[Asked, Asked, Asked]:
    """Ask for a fortnight, for a run of numbers, and for one city named three times."""
    begin = f"TIMESTAMP '2024-06-01' + INTERVAL {rng.randrange(DAYS - 20)} DAY"
    first = rng.randrange(rows - rows // 30)
    city = rng.randrange(CITIES)
    figures = "count(*) AS n, avg(amount) AS mean, max(amount) AS top"
    fortnight = (
        f"SELECT city, {figures} FROM payments WHERE paid >= {begin}"
        f" AND paid < {begin} + INTERVAL 14 DAY GROUP BY city ORDER BY city"
    )
    numbers = (
        f"SELECT {figures} FROM payments WHERE number BETWEEN {first} AND {first + rows // 40}"
    )
    place = (
        f"SELECT {figures} FROM payments WHERE city = 'city {city}' AND country = 'country"
        f" {city // 4}' AND currency = 'currency {city // 16}' AND paid >= {begin}"
        f" AND paid < {begin} + INTERVAL 7 DAY"
    )
    a, b, c = (rng.randrange(15, 40) for _ in range(3))
    return Asked(fortnight, a), Asked(numbers, b), Asked(place, c)
