"""Text of a few values that queries group by: the textbook says ENUM, which is slower here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Consumer, Scenario

FAMILY = "enum_group_by"
EXPECTS: Final = "trap"
BOARD = Consumer(
    "helpdesk-board",
    {"tickets": ("status", "queue")},
    (
        "SELECT queue, count(*) AS n FROM tickets WHERE status = 'reopened'"
        " GROUP BY queue ORDER BY queue",
        "SELECT DISTINCT status || ' in ' || queue AS place FROM tickets ORDER BY place",
    ),
)
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
    past, later = (tuple(_asked(rng)) for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        contract=write_contract(directory / "given.odcs.yaml", {"tickets": PROMISED}, [BOARD]),
        consumers=(BOARD,),
        later=later,
        later_data=(
            "INSERT INTO tickets SELECT 900000 + i, CASE WHEN i % 50 = 0 THEN 'reopened'"
            " ELSE 'new' END, 'queue ' || (i % 70), i FROM range(500) AS r(i)",
        ),
    )


def _asked(rng: random.Random) -> Iterator[Asked]:
    yield Asked(
        "SELECT upper(status) AS state, avg(minutes) AS mean, max(minutes) AS top FROM tickets"
        " GROUP BY state ORDER BY state",
        rng.randrange(150, 300),
        by="team-leads",
    )
    yield Asked(
        "SELECT queue, avg(minutes) AS mean FROM tickets GROUP BY queue ORDER BY queue",
        rng.randrange(50, 100),
        by="team-leads",
    )
    for _ in range(2):
        yield Asked(
            "SELECT queue, stddev(minutes) AS spread FROM tickets WHERE minutes >"
            f" {rng.randrange(400)} AND queue LIKE '%{rng.randrange(1, 5)}%'"
            " GROUP BY queue ORDER BY queue",
            rng.randrange(25, 50),
            by="quality",
        )
