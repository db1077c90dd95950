"""Text that held only numbers while it was watched, and words afterwards."""

from __future__ import annotations

import random
from pathlib import Path

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "later_text"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; a number type would refuse the rows of the next week."""
    rng = random.Random(seed)
    rows = rng.randrange(80_000, 140_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE gauges AS SELECT i AS id, 'g' || (hash(i, {seed}) % 50) AS gauge,"
            f" CAST(hash(i, {seed}, 1) % 800 AS VARCHAR) AS level FROM range({rows}) AS r(i)"
        ],
    )
    asked = [
        Asked(
            "SELECT gauge, max(TRY_CAST(level AS INTEGER)) AS top FROM gauges"
            " GROUP BY gauge ORDER BY gauge",
            rng.randrange(80, 200),
        ),
        Asked(
            "SELECT count(*) AS n FROM gauges"
            f" WHERE TRY_CAST(level AS INTEGER) > {rng.randrange(300, 700)}",
            rng.randrange(80, 200),
        ),
    ]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects="trap",
        database=database,
        log=write_log(directory / "queries.csv", database, asked, seed),
        later=tuple(asked),
        later_data=(
            "INSERT INTO gauges SELECT 900000 + i, 'g1', CASE WHEN i % 3 = 0 THEN 'out of order'"
            " ELSE CAST(i AS VARCHAR) END FROM range(300) AS r(i)",
        ),
    )
