"""The same totals computed again and again from a table that changes once a night."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from evals.scenarios.building import kept_totals, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "repeated_totals"
EXPECTS: Final = "gain"
BY_REGION = (
    "SELECT region, count(*) AS n, sum(amount) AS total FROM sales GROUP BY region ORDER BY region"
)
BY_DAY = "SELECT sold, sum(amount) AS total FROM sales GROUP BY sold ORDER BY sold"
FIGURES = {"n": "count(*)", "total": "sum(amount)"}
KEPT_BY_REGION = (
    "SELECT region, CAST(sum(n) AS BIGINT) AS n, sum(total) AS total FROM best"
    " GROUP BY region ORDER BY region"
)
KEPT_BY_DAY = "SELECT sold, sum(total) AS total FROM best GROUP BY sold ORDER BY sold"
FIRST = date(2025, 1, 1)
DAYS = 90


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; a summary of both totals is the known gain."""
    rng = random.Random(seed)
    rows, regions = rng.randrange(150_000, 250_000), rng.randrange(6, 20)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE sales AS SELECT i AS id, 'r' || (hash(i, {seed}) % {regions}) AS region,"
            f" DATE '{FIRST}' + CAST(hash(i, {seed}, 1) % {DAYS} AS INTEGER) AS sold,"
            f" CAST(hash(i, {seed}, 2) % 10000 AS BIGINT) AS amount FROM range({rows}) AS r(i)"
        ],
    )
    days = [FIRST + timedelta(d) for d in rng.sample(range(DAYS - 14), 4)]
    past, later = (
        [
            Asked(BY_REGION, rng.randrange(200, 400)),
            Asked(BY_DAY, rng.randrange(100, 200)),
            *(Asked(_since(day), rng.randrange(20, 40)) for day in since),
        ]
        for since in (days[:2], days[2:])
    )
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=tuple(later),
        later_data=(
            "INSERT INTO sales SELECT 900000 + i, 'r' || (i % 7), DATE '2025-04-01', i"
            " FROM range(300) AS r(i)",
        ),
        known=(Known(("create_summary",), "sales"),),
        best=Best(
            kept_totals("best", "sales", {"region": "region", "sold": "sold"}, FIGURES),
            (
                (BY_REGION, KEPT_BY_REGION),
                (BY_DAY, KEPT_BY_DAY),
                *((_since(day), _kept_since(day)) for day in days[2:]),
            ),
        ),
    )


def _since(day: date) -> str:
    return BY_DAY.replace(" GROUP", f" WHERE sold >= DATE '{day}' GROUP")


def _kept_since(day: date) -> str:
    return KEPT_BY_DAY.replace(" GROUP", f" WHERE sold >= DATE '{day}' GROUP")
