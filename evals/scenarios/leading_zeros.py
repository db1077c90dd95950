"""Codes that look like numbers, promised as text; the later ones begin with zeros."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Consumer, Scenario

FAMILY = "leading_zeros"
EXPECTS: Final = "trap"
PROMISED = {
    "id": {"logicalType": "integer"},
    "code": {"logicalType": "string", "required": True},
    "weight": {"logicalType": "integer"},
}
CARRIER = Consumer(
    "carrier",
    {"parcels": ("id", "code", "weight")},
    (
        "SELECT id, left(code, 2) AS district FROM parcels WHERE id % 5000 = 1 ORDER BY id",
        "SELECT count(*) AS n, sum(weight) AS weight FROM parcels WHERE code LIKE '0%'",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; storing the codes as numbers would change them."""
    rng = random.Random(seed)
    rows = rng.randrange(80_000, 140_000)
    zeros = seed % 2
    code = f"lpad(CAST(c AS VARCHAR), 5, '{'0' if zeros else '9'}')"
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE parcels AS SELECT i AS id, {code} AS code, weight FROM (SELECT i,"
            f" hash(i, {seed}) % 90000 AS c, CAST(hash(i, {seed}, 1) % 30000 AS INTEGER) AS weight"
            f" FROM range({rows}) AS r(i))"
        ],
    )
    past, later = (tuple(_asked(rng)) for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        contract=write_contract(directory / "given.odcs.yaml", {"parcels": PROMISED}, [CARRIER]),
        consumers=(CARRIER,),
        later=(*later, Asked("SELECT code FROM parcels WHERE id >= 900000 ORDER BY id", 10)),
        later_data=("INSERT INTO parcels VALUES (900001, '00712', 5), (900002, '01099', 7)",),
    )


def _asked(rng: random.Random) -> Iterator[Asked]:
    for _ in range(2):
        low = rng.randrange(10_000, 50_000)
        yield Asked(
            "SELECT count(*) AS n, max(weight) AS top FROM parcels"
            f" WHERE CAST(code AS INTEGER) BETWEEN {low} AND {low + 9000}",
            rng.randrange(50, 100),
            by="sorting",
        )
        yield Asked(
            f"SELECT id, code FROM parcels WHERE id BETWEEN {low} AND {low + 20} ORDER BY id",
            rng.randrange(25, 50),
            by="counter",
        )
