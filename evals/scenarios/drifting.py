"""A workload that moves on: what was asked last month is not what is asked next month."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "drifting"
EXPECTS: Final = "open"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; totals by shop are hardly asked any more, items are."""
    rng = random.Random(seed)
    rows = rng.randrange(100_000, 180_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE lines AS SELECT i AS id, 'shop ' || (hash(i, {seed}) % 40) AS shop,"
            f" 'item ' || (hash(i, {seed}, 1) % 3000) AS item,"
            f" CAST(hash(i, {seed}, 2) % 500 AS BIGINT) AS quantity FROM range({rows}) AS r(i)"
        ],
    )
    past = Asked(
        "SELECT shop, sum(quantity) AS total FROM lines GROUP BY shop ORDER BY shop",
        rng.randrange(300, 500),
    )
    fading = Asked(past.sql, rng.randrange(5, 15))
    rising = [
        Asked(
            f"SELECT count(*) AS n, max(quantity) AS top FROM lines WHERE item = 'item {item}'",
            rng.randrange(75, 125),
        )
        for item in rng.sample(range(3000), 4)
    ]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, [past], seed),
        later=(fading, *rising),
        later_data=(
            "INSERT INTO lines SELECT 900000 + i, 'shop 1', 'item ' || i, i"
            " FROM range(300) AS r(i)",
        ),
    )
