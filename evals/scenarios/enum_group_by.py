"""Text of a few values that queries group by: the textbook says ENUM, which is slower here."""

from __future__ import annotations

import random
from pathlib import Path

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "enum_group_by"
PROMISED = {"status": {"logicalType": "string"}, "queue": {"logicalType": "string"}}


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; a function of such text runs once a value, of an ENUM once a row."""
    rng = random.Random(seed)
    rows, queues = rng.randrange(180_000, 260_000), rng.randrange(20, 60)
    database = write_database(
        directory,
        FAMILY,
        [
            "CREATE TABLE tickets AS SELECT i AS id, ['new', 'open', 'waiting', 'solved', 'closed']"
            f"[1 + CAST(hash(i, {seed}) % 5 AS INTEGER)] AS status,"
            f" 'queue ' || (hash(i, {seed}, 1) % {queues}) AS queue,"
            f" CAST(hash(i, {seed}, 2) % 100003 AS DOUBLE) / 60 AS minutes"
            f" FROM range({rows}) AS r(i)"
        ],
    )
    asked = [
        Asked(
            "SELECT upper(status) AS state, avg(minutes) AS mean, max(minutes) AS top FROM tickets"
            " GROUP BY state ORDER BY state",
            rng.randrange(150, 300),
        ),
        Asked(
            "SELECT queue, avg(minutes) AS mean FROM tickets GROUP BY queue ORDER BY queue",
            rng.randrange(50, 100),
        ),
        Asked(
            f"SELECT queue, stddev(minutes) AS spread FROM tickets WHERE minutes > "
            f"{rng.randrange(400)} AND queue LIKE '%{rng.randrange(1, 5)}%'"
            " GROUP BY queue ORDER BY queue",
            rng.randrange(50, 100),
        ),
    ]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects="trap",
        database=database,
        log=write_log(directory / "queries.csv", database, asked, seed),
        contract=write_contract(directory / "given.odcs.yaml", {"tickets": PROMISED}),
        later=tuple(asked),
        later_data=(
            "INSERT INTO tickets SELECT 900000 + i, CASE WHEN i % 50 = 0 THEN 'reopened'"
            " ELSE 'new' END, 'queue ' || (i % 70), i FROM range(500) AS r(i)",
        ),
    )
