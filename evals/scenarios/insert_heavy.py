"""A table written all day and read now and then: what speeds reading up slows writing down."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "insert_heavy"
EXPECTS: Final = "trap"
BATCHES = 2000
TOTALS = "SELECT source, sum(size) AS total FROM events GROUP BY source ORDER BY source"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the time of its writes counts a thousand times."""
    rng = random.Random(seed)
    rows, sources = rng.randrange(80_000, 140_000), rng.randrange(200, 900)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE events AS SELECT i AS id, 's' || (hash(i, {seed}) % {sources}) AS source"
            f", CAST(hash(i, {seed}, 1) % 500 AS BIGINT) AS size, CAST(hash(i, {seed}, 3) AS"
            f" VARCHAR) AS token FROM range({rows}) AS r(i)"
        ],
    )
    batch = (
        f"INSERT INTO events SELECT 900000 + i, 's' || (i % {sources}), i, 't' || i"
        " FROM range(200) AS r(i)"
    )
    totals = Asked(TOTALS, 20)
    past, later = ((totals, *(_look_up(rng) for _ in range(4))) for _ in range(2))
    writes = [Asked(batch, BATCHES)]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed, writes),
        later=later,
        later_data=(batch,),
        later_batches=BATCHES,
    )


def _look_up(rng: random.Random) -> Asked:
    return Asked(f"SELECT id FROM events WHERE token = '{rng.randrange(10**15)}'", 5)
