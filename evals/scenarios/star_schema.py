"""A fact table between four dimensions: joins by month, and totals of the facts alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import kept_totals, rebuilt, write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario

FAMILY = "star_schema"
EXPECTS: Final = "gain"
DAYS = 720
NIGHTS = 30
TOTALS = (
    "SELECT store_id, count(*) AS n, sum(cents) AS total FROM sales"
    " GROUP BY store_id ORDER BY store_id"
)
STORE = {"store_id": "store_id"}
FIGURES = {"n": "count(*)", "total": "sum(cents)"}
PROMISED = {
    "date_id": {"logicalType": "integer"},
    "store_id": {"logicalType": "integer"},
    "cents": {"logicalType": "integer"},
}

PLANNING = Consumer(
    "planning",
    {"sales": ("date_id", "store_id", "cents")},
    (
        "SELECT store_id, date_id // 7 AS week, sum(cents) AS total FROM sales"
        " WHERE date_id >= 700 GROUP BY ALL ORDER BY ALL",
        "SELECT max(date_id) AS newest, count(DISTINCT store_id) AS stores FROM sales",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; a summary of the totals and facts in order of time are the known gains."""
    rng = random.Random(seed)
    rows, stores = rng.randrange(300_000, 350_000), rng.randrange(20, 60)
    database = write_database(directory, FAMILY, _tables(seed, rows, stores))
    totals = Asked(TOTALS, rng.randrange(300, 400), by="store-board")
    past = [q for month in rng.sample(range(18), 4) for q in _month(rng, month)]
    later = [q for month in rng.sample(range(18, 24), 4) for q in _month(rng, month)]
    load = (
        f"INSERT INTO sales SELECT 9000000 + i, {DAYS - 1}, i % 400, i % {stores}, i % 3000, i"
        " FROM range(400) AS r(i)"
    )
    writes = [Asked(load, NIGHTS, by="tills")]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, [totals, *past], seed, writes),
        later=(totals, *later),
        later_data=(load,),
        later_batches=NIGHTS,
        contract=write_contract(directory / "given.odcs.yaml", {"sales": PROMISED}, [PLANNING]),
        consumers=(PLANNING,),
        known=(
            Known(("create_summary",), "sales"),
            Known(("sort_table",), "sales", "date_id"),
        ),
        best=Best(
            (*rebuilt("sales", "date_id"), *kept_totals("best_totals", "sales", STORE, FIGURES)),
            ((TOTALS, "SELECT * FROM best_totals ORDER BY store_id"),),
        ),
    )


def _tables(seed: int, rows: int, stores: int) -> list[str]:
    def key(salt: int, of: int) -> str:
        return f"CAST(hash(i, {seed}, {salt}) % {of} AS INTEGER)"

    return [
        f"CREATE TABLE dates AS SELECT CAST(i AS INTEGER) AS date_id, CAST(i // 30 AS INTEGER)"
        f" AS month_id, CAST(i % 7 AS INTEGER) AS weekday FROM range({DAYS}) AS r(i)",
        "CREATE TABLE products AS SELECT CAST(i AS INTEGER) AS product_id, 'category '"
        " || (i % 12) AS category FROM range(400) AS r(i)",
        "CREATE TABLE stores AS SELECT CAST(i AS INTEGER) AS store_id, 'region '"
        f" || (i % 5) AS region FROM range({stores}) AS r(i)",
        "CREATE TABLE customers AS SELECT CAST(i AS INTEGER) AS customer_id,"
        " ['new', 'loyal', 'lost'][1 + i % 3] AS segment FROM range(3000) AS r(i)",
        f"CREATE TABLE sales AS SELECT i AS id, {key(1, DAYS)} AS date_id, {key(2, 400)} AS"
        f" product_id, {key(3, stores)} AS store_id, {key(4, 3000)} AS customer_id,"
        f" CAST({key(5, 20000)} AS BIGINT) AS cents FROM range({rows}) AS r(i)",
    ]


def _month(rng: random.Random, month: int) -> tuple[Asked, Asked]:
    """Ask for a month once by its days and once through the dimension that knows them."""
    by_days = (
        "SELECT category, region, sum(cents) AS total FROM sales JOIN products USING (product_id)"
        f" JOIN stores USING (store_id) WHERE date_id >= {month * 30} AND date_id"
        f" < {month * 30 + 30} GROUP BY category, region ORDER BY category, region"
    )
    by_month = (
        "SELECT segment, weekday, count(*) AS n, sum(cents) AS total FROM sales"
        " JOIN customers USING (customer_id) JOIN dates USING (date_id)"
        f" WHERE month_id = {month} GROUP BY segment, weekday ORDER BY segment, weekday"
    )
    days, months = (rng.randrange(20, 60) for _ in range(2))
    return Asked(by_days, days, by="buyers"), Asked(by_month, months, by="marketing")
