"""Text that held only numbers while it was watched, and words afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "later_text"
EXPECTS: Final = "trap"


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
    floors = rng.sample(range(300, 700), 4)
    past, later = (tuple(_asked(rng, chosen)) for chosen in (floors[:2], floors[2:]))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=later,
        later_data=(
            "INSERT INTO gauges SELECT 900000 + i, 'g1', CASE WHEN i % 3 = 0 THEN 'out of order'"
            " ELSE CAST(i AS VARCHAR) END FROM range(300) AS r(i)",
        ),
    )


def _asked(rng: random.Random, floors: list[int]) -> Iterator[Asked]:
    yield Asked(
        "SELECT gauge, max(TRY_CAST(level AS INTEGER)) AS top FROM gauges"
        " GROUP BY gauge ORDER BY gauge",
        rng.randrange(80, 200),
    )
    for floor in floors:
        yield Asked(
            f"SELECT count(*) AS n FROM gauges WHERE TRY_CAST(level AS INTEGER) > {floor}",
            rng.randrange(40, 100),
        )
