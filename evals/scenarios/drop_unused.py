"""Indexes that no query can use or that repeat another, paid for at every write."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario

FAMILY = "drop_unused"
EXPECTS: Final = "gain"
BATCHES = 100
PROMISED = {
    "id": {"logicalType": "integer"},
    "code": {"logicalType": "integer"},
    "depot": {"logicalType": "string"},
    "grams": {"logicalType": "integer"},
}
CUSTOMS = Consumer(
    "customs",
    {"parcels": ("code", "depot", "grams")},
    (
        "SELECT code, grams FROM parcels WHERE grams > 89900 ORDER BY code, grams",
        "SELECT count(DISTINCT code) AS n FROM parcels WHERE depot = 'depot 1'",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; dropping the copy and the unusable index is the known gain."""
    rng = random.Random(seed)
    rows = rng.randrange(50_000, 80_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE parcels AS SELECT i AS id, CAST(hash(i, {seed}) % 1000000000 AS BIGINT)"
            f" AS code, 'depot ' || (hash(i, {seed}, 1) % 40) AS depot, hash(i, {seed}, 2) % 90000"
            f" AS grams FROM range({rows}) AS r(i)",
            "CREATE INDEX by_code ON parcels (code)",
            "CREATE INDEX by_code_again ON parcels (code)",
            "CREATE INDEX by_weight ON parcels (grams, depot)",
        ],
    )
    load = (
        "INSERT INTO parcels SELECT 9000000 + i, hash(i, {salt}) % 1000000000, 'depot 1',"
        " hash(i, {salt}) % 90000 FROM range(4000) AS r(i)"
    )
    codes = [rng.randrange(10**9) for _ in range(16)]
    asked = [_look_up(code, rng.randrange(60, 90)) for code in codes]
    past, later = (_heavy(floor) for floor in rng.sample(range(100, 5000), 2))
    writes = [Asked(load.format(salt=1), BATCHES, by="scanner")]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, [*asked[:8], past], seed, writes),
        contract=write_contract(directory / "given.odcs.yaml", {"parcels": PROMISED}, [CUSTOMS]),
        consumers=(CUSTOMS,),
        later=(*asked[8:], later),
        later_data=(load.format(salt=2),),
        later_batches=BATCHES,
        known=(
            Known(("drop_index",), "parcels", "by_code_again"),
            Known(("drop_index",), "parcels", "by_weight"),
        ),
        best=Best(("DROP INDEX by_code_again", "DROP INDEX by_weight")),
    )


def _look_up(code: int, runs: int) -> Asked:
    return Asked(
        f"SELECT id, depot FROM parcels WHERE code = {code} ORDER BY id", runs, by="counter"
    )


def _heavy(floor: int) -> Asked:
    return Asked(
        f"SELECT depot, median(grams) AS mid FROM parcels WHERE grams > {floor}"
        " GROUP BY depot ORDER BY depot",
        10,
        by="planning",
    )
