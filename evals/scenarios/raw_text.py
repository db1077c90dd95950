"""A feed stored as it arrived: numbers and dates as text, cast by every query."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from evals.scenarios.building import kept_totals, retyped, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "raw_text"
EXPECTS: Final = "gain"
BY_PLACE = (
    "SELECT place, sum(CAST(amount AS BIGINT)) AS total FROM readings GROUP BY place ORDER BY place"
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; storing both columns as what they are is the known gain."""
    rng = random.Random(seed)
    rows, places = rng.randrange(80_000, 160_000), rng.randrange(5, 40)
    database = write_database(
        directory,
        FAMILY,
        [
            "CREATE TABLE readings AS SELECT i AS id,"
            f" CAST(hash(i, {seed}) % 5000 AS VARCHAR) AS amount,"
            f" CAST(DATE '2024-01-01' + CAST(hash(i, {seed}, 1) % 700 AS INTEGER) AS VARCHAR)"
            f" AS taken, 'place ' || (hash(i, {seed}, 2) % {places}) AS place"
            f" FROM range({rows}) AS r(i)"
        ],
    )
    past, later = (tuple(_asked(rng)) for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=later,
        later_data=(
            "INSERT INTO readings SELECT 900000 + i, CAST(i * 3 AS VARCHAR), '2026-04-0'"
            " || (1 + i % 9), 'place 1' FROM range(500) AS r(i)",
        ),
        known=(
            Known(("change_type",), "readings", "amount"),
            Known(("change_type",), "readings", "taken"),
        ),
        best=Best(
            (
                retyped("readings", "amount", "BIGINT"),
                retyped("readings", "taken", "DATE"),
            ),
            more=Best(
                kept_totals("best", "readings", {"place": "place"}, {"total": "sum(amount)"}),
                ((BY_PLACE, "SELECT * FROM best ORDER BY place"),),
            ),
        ),
    )


def _asked(rng: random.Random) -> Iterator[Asked]:
    """Return a month's queries: of all places, since two days, and above two amounts."""
    yield Asked(BY_PLACE, rng.randrange(100, 200))
    for _ in range(2):
        yield Asked(
            "SELECT count(*) AS n, max(CAST(amount AS BIGINT)) AS top FROM readings WHERE"
            f" CAST(taken AS DATE) >= DATE '{date(2025, 1, 1) + timedelta(rng.randrange(240))}'",
            rng.randrange(50, 100),
        )
        yield Asked(
            "SELECT avg(CAST(amount AS BIGINT)) AS mean FROM readings"
            f" WHERE CAST(amount AS BIGINT) > {rng.randrange(1000, 4000)}",
            rng.randrange(25, 50),
        )
