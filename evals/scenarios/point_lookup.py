"""Single rows looked up by a key that no index and no order helps to find."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import duckdb

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Best, Known, Scenario

FAMILY = "point_lookup"
EXPECTS: Final = "gain"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; an index on the key is the known gain, its order the next best."""
    rng = random.Random(seed)
    rows = rng.randrange(400_000, 600_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE accounts AS SELECT CAST(hash(i, {seed}) % 1000000000 AS BIGINT)"
            f" AS account, 'owner ' || (i % 5000) AS owner, (i % 9973) * 1.5 AS balance"
            f" FROM range({rows}) AS r(i)"
        ],
    )
    keys = _keys(database, rng.sample(range(rows), 30))
    asked = [_look_up(key, rng.randrange(20, 60)) for key in keys]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, asked[:15], seed),
        later=tuple(asked[15:]),
        later_data=(
            "INSERT INTO accounts SELECT 2000000000 + i, 'owner new', i FROM range(200) AS r(i)",
        ),
        known=(Known(("create_index", "sort_table"), "accounts", "account"),),
        best=Best(("CREATE INDEX best_index ON accounts (account)",)),
    )


def _keys(database: Path, positions: list[int]) -> list[int]:
    with duckdb.connect(str(database), read_only=True) as con:
        found = con.execute(
            "SELECT account FROM accounts WHERE rowid IN (SELECT unnest(?)) ORDER BY rowid",
            [positions],
        )
        return [key for (key,) in found.fetchall()]


def _look_up(key: int, runs: int) -> Asked:
    return Asked(
        f"SELECT owner, balance FROM accounts WHERE account = {key} ORDER BY owner, balance", runs
    )
