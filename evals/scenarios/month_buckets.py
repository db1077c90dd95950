"""Dates kept as text and grouped by month: a DATE speeds filters up and slows the buckets down."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "month_buckets"
EXPECTS: Final = "trap"
MONTHS = ("substr(day, 1, 7)", "left(CAST(day AS VARCHAR), 7)")


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; a text's month is found once a value, a DATE's once a row."""
    rng = random.Random(seed)
    rows = rng.randrange(150_000, 220_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE visits AS SELECT i AS id, CAST(DATE '2024-01-01' + CAST("
            f"hash(i, {seed}) % 700 AS INTEGER) AS VARCHAR) AS day, 'clinic '"
            f" || (hash(i, {seed}, 1) % 30) AS clinic,"
            f" CAST(hash(i, {seed}, 2) % 9001 AS DOUBLE) / 7 AS cost FROM range({rows}) AS r(i)"
        ],
    )
    # The second way survives a DATE and is slower on it; the first one fails on it.
    month = MONTHS[seed % 2]
    buckets = Asked(
        f"SELECT {month} AS month, avg(cost) AS mean, max(cost) AS top FROM visits"
        " GROUP BY month ORDER BY month",
        rng.randrange(200, 350),
    )
    first, second, *others = (_since(rng, m) for m in rng.sample(range(1, 10), 4))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, [buckets, first, second], seed),
        later=(buckets, *others),
        later_data=(
            "INSERT INTO visits SELECT 900000 + i, '2026-03-0' || (1 + i % 9), 'clinic 1', i"
            " FROM range(300) AS r(i)",
        ),
    )


def _since(rng: random.Random, month: int) -> Asked:
    day = f"DATE '2025-{month:02}-01'"
    return Asked(
        f"SELECT count(*) AS n, avg(cost) AS mean FROM visits WHERE CAST(day AS DATE) >= {day}",
        rng.randrange(20, 40),
    )
