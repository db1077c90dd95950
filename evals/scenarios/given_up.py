"""A daily report that was given up while a weekly one goes on: only the log tells them apart."""

from __future__ import annotations

import random
from pathlib import Path

from evals.scenarios.building import DAYS, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "given_up"
WEEKLY = "SELECT depot, sum(quantity) AS total FROM stock GROUP BY depot ORDER BY depot"
NEWEST = "SELECT max(id) AS newest FROM stock"
DAILY = "SELECT shop, sum(quantity) AS total FROM lines GROUP BY shop ORDER BY shop"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the weekly totals gain from a summary, nobody asks for the others."""
    rng = random.Random(seed)
    rows = rng.randrange(100_000, 180_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE {table} AS SELECT i AS id, '{place} ' || (hash(i, {seed}) % 40) AS"
            f" {place}, CAST(hash(i, {seed}, 1) % 500 AS BIGINT) AS quantity"
            f" FROM range({rows}) AS r(i)"
            for table, place in (("stock", "depot"), ("lines", "shop"))
        ],
    )
    weekly = Asked(WEEKLY, rng.randrange(60, 90), range(rng.randrange(1, 7), DAYS, 7))
    daily = Asked(DAILY, rng.randrange(300, 500), range(rng.randrange(15, 20)))
    always = Asked(NEWEST, rng.randrange(90, 150))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects="gain",
        database=database,
        log=write_log(directory / "queries.csv", database, [weekly, daily, always], seed),
        later=(weekly, always),
        later_data=("INSERT INTO stock SELECT 900000 + i, 'depot 1', i FROM range(300) AS r(i)",),
        known=(Known(("create_summary",), "stock"),),
        best=Best(
            (f"CREATE TABLE by_depot AS {WEEKLY}",),
            ((WEEKLY, "SELECT * FROM by_depot ORDER BY depot"),),
        ),
    )
