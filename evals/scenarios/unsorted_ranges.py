"""Short ranges of time asked of a table whose rows lie in no order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import rebuilt, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "unsorted_ranges"
EXPECTS: Final = "gain"
DAYS = 700


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; keeping the rows in the order of time is the known gain."""
    rng = random.Random(seed)
    rows = rng.randrange(500_000, 700_000)
    database = write_database(
        directory,
        FAMILY,
        [
            "CREATE TABLE orders AS SELECT i AS id, TIMESTAMP '2024-01-01'"
            f" + to_minutes(CAST(hash(i, {seed}) % {DAYS * 1440} AS BIGINT)) AS ordered,"
            f" CAST(hash(i, {seed}, 1) % 100000 AS DOUBLE) / 7 AS amount"
            f" FROM range({rows}) AS r(i)"
        ],
    )
    past = [_week(rng.randrange(DAYS - 60), rng.randrange(10, 40)) for _ in range(12)]
    later = [_week(rng.randrange(DAYS - 60), rng.randrange(10, 40)) for _ in range(12)]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=tuple(later),
        later_data=(
            "INSERT INTO orders SELECT 9000000 + i, TIMESTAMP '2026-04-01' + to_minutes(i), i / 3.0"
            " FROM range(500) AS r(i)",
        ),
        known=(Known(("sort_table",), "orders", "ordered"),),
        best=Best(rebuilt("orders", "ordered")),
    )


def _week(first: int, runs: int) -> Asked:
    begin = f"DATE '2024-01-01' + {first}"
    return Asked(
        "SELECT count(*) AS n, avg(amount) AS mean, max(amount) AS top FROM orders"
        f" WHERE ordered >= {begin} AND ordered < {begin} + 7",
        runs,
    )
