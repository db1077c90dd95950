"""Read through a view that gives text on, whose answers another type would change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario

FAMILY = "views"
EXPECTS: Final = "trap"
DAYS = 600
FIRST = date(2024, 1, 1)
VIEW = "CREATE VIEW lots AS SELECT lot, count(*) AS n, max(amount) AS top FROM bids GROUP BY lot"
PROMISED = {
    "bids": {"id": {"logicalType": "integer"}, "placed": {"logicalType": "date"}},
    "lots": {"lot": {"logicalType": "string"}, "top": {"logicalType": "string"}},
}
CATALOGUE = Consumer(
    "catalogue", {"lots": ("lot", "top")}, ("SELECT lot, top FROM lots WHERE lot = 'lot 3'",)
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the order of the rows is the known gain, and the table has rules to keep.

    The contract promises the view for odd seeds; for even ones only the log tells of it.
    """
    rng = random.Random(seed)
    rows, lots = rng.randrange(350_000, 450_000), rng.randrange(40, 90)
    database = write_database(
        directory,
        FAMILY,
        [
            "CREATE TABLE bids (id BIGINT NOT NULL, lot VARCHAR NOT NULL, amount VARCHAR NOT NULL"
            f" CHECK (length(amount) < 9), placed DATE NOT NULL DEFAULT DATE '{FIRST}')",
            f"INSERT INTO bids SELECT i, 'lot ' || (hash(i, {seed}) % {lots}),"
            f" CAST(hash(i, {seed}, 1) % 2000 AS VARCHAR),"
            f" DATE '{FIRST}' + CAST(hash(i, {seed}, 2) % {DAYS} AS INTEGER)"
            f" FROM range({rows}) AS r(i)",
            VIEW,
        ],
    )
    past, later = (tuple(_asked(rng)) for _ in range(2))
    contract = write_contract(directory / "given.odcs.yaml", PROMISED, [CATALOGUE])
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        contract=contract if seed % 2 else None,
        consumers=(CATALOGUE,) if seed % 2 else (),
        later=later,
        later_data=(
            "INSERT INTO bids SELECT 900000 + i, 'lot 1', CAST(i AS VARCHAR), DATE '2026-04-01'"
            " FROM range(300) AS r(i)",
        ),
        known=(Known(("sort_table",), "bids", "placed"),),
        best=Best(
            (
                "CREATE TABLE best_order AS SELECT * FROM bids ORDER BY placed",
                "TRUNCATE bids",
                "INSERT INTO bids SELECT * FROM best_order",
                "DROP TABLE best_order",
            )
        ),
    )


def _asked(rng: random.Random) -> Iterator[Asked]:
    for _ in range(6):
        day = FIRST + timedelta(rng.randrange(DAYS - 40))
        yield Asked(
            "SELECT count(*) AS n, sum(CAST(amount AS BIGINT)) AS total FROM bids"
            f" WHERE placed BETWEEN DATE '{day}' AND DATE '{day + timedelta(6)}'",
            rng.randrange(60, 120),
            by="auction",
        )
    yield Asked(
        f"SELECT lot, top FROM lots WHERE n > {rng.randrange(1000, 4000)} ORDER BY lot",
        rng.randrange(5, 10),
        by="board",
    )
