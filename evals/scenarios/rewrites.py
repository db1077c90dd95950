"""Filters with a faster equal form, between look-alikes whose tempting form answers otherwise."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "rewrites"
EXPECTS: Final = "gain"
LOOK_ALIKES = (
    # NOT EXISTS would keep what NOT IN loses to the missing values of `sale_id`.
    "SELECT count(*) AS n FROM sales WHERE id NOT IN (SELECT sale_id FROM returns)",
    # Without DISTINCT every shop would come back thousands of times.
    "SELECT DISTINCT shop FROM sales WHERE id % 2 = 0 ORDER BY shop",
    # count(*) would count the sales without a coupon, too.
    "SELECT count(coupon) AS n FROM sales",
    # UNION ALL would repeat the sales that were returned twice.
    "SELECT count(*) AS n FROM (SELECT sale_id FROM returns UNION SELECT id FROM sales"
    " WHERE coupon IS NULL)",
    # JOIN would lose the sales that nobody returned.
    "SELECT count(*) AS n, count(reason) AS returned FROM sales LEFT JOIN returns ON id = sale_id",
)
FIGURES = "count(*) AS n, avg(amount) AS mean, max(amount) AS top FROM sales"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; months as a range of days are the known gain."""
    rng = random.Random(seed)
    database = write_database(directory, FAMILY, _tables(seed, rng.randrange(150_000, 220_000)))
    past, later = ([_month(rng) for _ in range(4)] for _ in range(2))
    others = [Asked(sql, rng.randrange(2, 6)) for sql in LOOK_ALIKES]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(
            directory / "queries.csv", database, [*(asked for asked, _ in past), *others], seed
        ),
        later=(*(asked for asked, _ in later), *others),
        later_data=(
            "INSERT INTO sales SELECT 900000 + i, TIMESTAMP '2026-03-01' + to_minutes(i),"
            " 'shop 3', NULL, i FROM range(300) AS r(i)",
            "INSERT INTO returns VALUES (900001, 'broken'), (900001, 'broken'), (NULL, 'lost')",
        ),
        known=(Known(("rewrite_query",), "sales"),),
        best=Best((), tuple((asked.sql, better) for asked, better in later)),
    )


def _tables(seed: int, rows: int) -> list[str]:
    return [
        "CREATE TABLE sales AS SELECT i AS id, TIMESTAMP '2024-01-01' + to_minutes(CAST("
        f"hash(i, {seed}) % {720 * 1440} AS BIGINT)) AS sold, 'shop ' || (hash(i, {seed}, 1) % 30)"
        f" AS shop, CASE WHEN hash(i, {seed}, 2) % 4 = 0 THEN 'c' || (i % 90) END AS coupon,"
        f" CAST(hash(i, {seed}, 3) % 9001 AS DOUBLE) / 7 AS amount FROM range({rows}) AS r(i)",
        f"CREATE TABLE returns AS SELECT CASE WHEN i % 50 > 0 THEN CAST(hash(i, {seed}, 4)"
        f" % {rows} AS BIGINT) END AS sale_id, 'reason ' || (i % 5) AS reason"
        " FROM range(4000) AS r(i)",
    ]


def _month(rng: random.Random) -> tuple[Asked, str]:
    """Return a month asked for by its name, and the same as a range."""
    year, month = rng.choice((2024, 2025)), rng.randrange(1, 12)
    named = f"SELECT {FIGURES} WHERE strftime(sold, '%Y-%m') = '{year}-{month:02}'"
    ranged = (
        f"SELECT {FIGURES} WHERE sold >= DATE '{year}-{month:02}-01'"
        f" AND sold < DATE '{year}-{month + 1:02}-01'"
    )
    return Asked(named, rng.randrange(40, 90)), ranged
