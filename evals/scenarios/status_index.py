"""A filter on a status of three values: the textbook says index, the engine can't use one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "status_index"
EXPECTS: Final = "trap"
BATCHES = 50


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; an index on the status only costs."""
    rng = random.Random(seed)
    rows = rng.randrange(100_000, 200_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE tickets AS SELECT i AS id, ['open', 'paid', 'void'][1 + CAST("
            f"hash(i, {seed}) % 3 AS INTEGER)] AS status,"
            f" CAST(hash(i, {seed}, 1) % 100003 AS DOUBLE) / 3 AS amount FROM range({rows}) AS r(i)"
        ],
    )
    floors = rng.sample(range(1000), 8)
    past, later = (
        [
            Asked(
                f"SELECT median(amount) AS mid FROM tickets WHERE status = '{status}'"
                f" AND amount > {floor}",
                rng.randrange(50, 125),
            )
            for status, floor in zip(("open", "void") * 2, chosen, strict=True)
        ]
        for chosen in (floors[:4], floors[4:])
    )
    news = (
        "INSERT INTO tickets SELECT 900000 + i, 'open', i FROM range(500) AS r(i)",
        "UPDATE tickets SET status = 'paid' WHERE id BETWEEN 10 AND 200",
    )
    writes = [Asked(statement, BATCHES) for statement in news]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed, writes),
        later=tuple(later),
        later_data=news,
        later_batches=BATCHES,
    )
