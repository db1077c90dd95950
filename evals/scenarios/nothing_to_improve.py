"""A product that is typed, ordered and asked as well as it can be."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "nothing_to_improve"
EXPECTS: Final = "nothing"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the right answer is silence."""
    rng = random.Random(seed)
    rows = rng.randrange(60_000, 100_000)
    database = write_database(
        directory,
        FAMILY,
        [
            "CREATE TABLE samples AS SELECT i AS id, TIMESTAMP '2025-01-01' + to_seconds(i)"
            f" AS taken, CAST(hash(i, {seed}) % 1000003 AS DOUBLE) / 1000003 AS level"
            f" FROM range({rows}) AS r(i)"
        ],
    )
    past, later = ([_over(rng) for _ in range(6)] for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=tuple(later),
        later_data=(
            "INSERT INTO samples SELECT 900000 + i, TIMESTAMP '2026-04-01' + to_seconds(i), 0.5"
            " FROM range(200) AS r(i)",
        ),
    )


def _over(rng: random.Random) -> Asked:
    return Asked(
        "SELECT avg(level * level) AS power, min(level) AS low FROM samples"
        f" WHERE level * 2 > {rng.random():.6f}",
        rng.randrange(60, 120),
    )
