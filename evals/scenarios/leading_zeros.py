"""Codes that look like numbers, promised as text; the later ones begin with zeros."""

from __future__ import annotations

import random
from pathlib import Path

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "leading_zeros"


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
    low = rng.randrange(10_000, 50_000)
    asked = [
        Asked(
            "SELECT count(*) AS n, max(weight) AS top FROM parcels"
            f" WHERE CAST(code AS INTEGER) BETWEEN {low} AND {low + 9000}",
            rng.randrange(100, 200),
        ),
        Asked(
            f"SELECT id, code FROM parcels WHERE id BETWEEN {low} AND {low + 20} ORDER BY id",
            rng.randrange(50, 100),
        ),
    ]
    promised = {
        "id": {"logicalType": "integer"},
        "code": {"logicalType": "string", "required": True},
        "weight": {"logicalType": "integer"},
    }
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects="trap",
        database=database,
        log=write_log(directory / "queries.csv", database, asked, seed),
        contract=write_contract(directory / "given.odcs.yaml", {"parcels": promised}),
        later=(*asked, Asked("SELECT code FROM parcels WHERE id >= 900000 ORDER BY id", 10)),
        later_data=("INSERT INTO parcels VALUES (900001, '00712', 5), (900002, '01099', 7)",),
    )
