"""Indexes that no query can use or that repeat another, paid for at every write."""

from __future__ import annotations

import random
from pathlib import Path

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "drop_unused"
BATCHES = 100


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
    codes = [rng.randrange(10**9) for _ in range(12)]
    asked = [_look_up(code, rng.randrange(60, 90)) for code in codes]
    heavy = Asked(
        f"SELECT depot, median(grams) AS mid FROM parcels WHERE grams > {rng.randrange(100, 5000)}"
        " GROUP BY depot ORDER BY depot",
        10,
    )
    writes = [Asked(load.format(salt=1), BATCHES)]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects="gain",
        database=database,
        log=write_log(directory / "queries.csv", database, [*asked[:8], heavy], seed, writes),
        later=(*asked[8:], heavy),
        later_data=(load.format(salt=2),),
        later_batches=BATCHES,
        known=(
            Known(("drop_index",), "parcels", "by_code_again"),
            Known(("drop_index",), "parcels", "by_weight"),
        ),
        best=Best(("DROP INDEX by_code_again", "DROP INDEX by_weight")),
    )


def _look_up(code: int, runs: int) -> Asked:
    return Asked(f"SELECT id, depot FROM parcels WHERE code = {code} ORDER BY id", runs)
