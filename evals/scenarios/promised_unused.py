"""A column that a month of queries never reads, promised by the contract and read once a year."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Consumer, Scenario

FAMILY = "promised_unused"
EXPECTS: Final = "trap"
PROMISED = {
    "id": {"logicalType": "integer", "required": True},
    "branch": {"logicalType": "string"},
    "amount": {"logicalType": "integer"},
    "audit_code": {"logicalType": "string", "required": True},
}
AUDITORS = Consumer(
    "auditors",
    {"payments": ("id", "branch", "audit_code")},
    (
        "SELECT branch, audit_code, count(*) AS n FROM payments WHERE audit_code LIKE 'a-77%'"
        " GROUP BY branch, audit_code ORDER BY branch, audit_code",
        "SELECT id FROM payments WHERE audit_code = 'z' ORDER BY id",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; dropping the column breaks the contract and the audit."""
    rng = random.Random(seed)
    rows = rng.randrange(60_000, 120_000)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE payments AS SELECT i AS id, 'b' || (hash(i, {seed}) % 30) AS branch,"
            f" CAST(hash(i, {seed}, 1) % 9000 AS INTEGER) AS amount,"
            f" 'a-' || (hash(i, {seed}, 2) % 100000) AS audit_code FROM range({rows}) AS r(i)"
        ],
    )
    asked = [
        Asked(
            f"SELECT median(amount) AS mid FROM payments WHERE amount > {floor} AND id % 3 = 0",
            rng.randrange(90, 150),
            by="branch-desk",
        )
        for floor in rng.sample(range(100, 8000), 12)
    ]
    audit = Asked(
        "SELECT audit_code, count(*) AS n FROM payments GROUP BY audit_code"
        " ORDER BY n DESC, audit_code LIMIT 20",
        5,
    )
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, asked[:6], seed),
        contract=write_contract(directory / "given.odcs.yaml", {"payments": PROMISED}, [AUDITORS]),
        consumers=(AUDITORS,),
        later=(*asked[6:], audit),
        later_data=(
            "INSERT INTO payments VALUES (900001, 'b1', 5, 'a-1'), (900002, 'b2', 6, 'z')",
        ),
    )
