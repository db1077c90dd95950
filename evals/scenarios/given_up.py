"""A daily report that was given up while a weekly one goes on: only the log tells them apart."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import kept_totals, log_days, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "given_up"
EXPECTS: Final = "gain"
WEEKLY = "SELECT depot, sum(quantity) AS total FROM stock GROUP BY depot ORDER BY depot"
FEWEST_DAYS = 28
"""A log of fewer does not tell a weekly report from one that was given up."""
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
    days = log_days(FAMILY, seed, fewest=FEWEST_DAYS)
    weekly = Asked(WEEKLY, rng.randrange(60, 90), range(rng.randrange(1, 7), days, 7))
    # Silence says nothing once it is longer than the time in which the report was asked.
    daily = Asked(DAILY, rng.randrange(300, 500), range(int(days * rng.uniform(0.54, 0.64))))
    past, later = ([_newest(rng, rows) for _ in range(3)] for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(
            directory / "queries.csv", database, [weekly, daily, *past], seed, days=range(days)
        ),
        later=(weekly, *later),
        later_data=("INSERT INTO stock SELECT 900000 + i, 'depot 1', i FROM range(300) AS r(i)",),
        known=(Known(("create_summary",), "stock"),),
        best=Best(
            kept_totals("by_depot", "stock", {"depot": "depot"}, {"total": "sum(quantity)"}),
            ((WEEKLY, "SELECT * FROM by_depot ORDER BY depot"),),
        ),
    )


def _newest(rng: random.Random, rows: int) -> Asked:
    """Ask for what arrived since a number: the rows lie in order of theirs."""
    since = rows - rng.randrange(100, 20_000)
    sql = f"SELECT count(*) AS arrived, max(id) AS newest FROM stock WHERE id > {since}"
    return Asked(sql, rng.randrange(30, 50))
