"""A table of 160 columns of which queries touch a handful and the contract promises some more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evals.scenarios.building import kept_totals, retyped, write_contract, write_database, write_log
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario

FAMILY = "wide_table"
EXPECTS: Final = "gain"
LOADS = 30
MEASURES = 155
FLOWS = (
    "SELECT site, max(CAST(flow AS INTEGER)) AS top, avg(CAST(flow AS INTEGER)) AS mean"
    " FROM plant GROUP BY site ORDER BY site"
)
FIGURES = {"top": "max(flow)", "total": "sum(flow)", "n": "count(flow)"}
WRITTEN = 3
"""Columns that the loader fills although nobody reads or promises them."""


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the number kept as text is the known gain, a promised column the trap."""
    rng = random.Random(seed)
    rows, sites = rng.randrange(20_000, 30_000), rng.randrange(8, 40)
    database = write_database(directory, FAMILY, [_table(seed, rows, sites)])
    used, promised = _names(rng)
    past, later = (tuple(_asked(rng, used)) for _ in range(2))
    inspectors = _inspectors(promised)
    audit = Asked(f"SELECT {', '.join(f'sum({p}) AS {p}' for p in promised)} FROM plant", 3)
    loaded = [f"m{n:03}" for n in range(WRITTEN)]
    columns = ["id", "site", "flow", *dict.fromkeys([used, *promised, *loaded])]
    values = ["900000 + i", "'site 1'", "CAST(i AS VARCHAR)", *("i % 100" for _ in columns[3:])]
    load = (
        f"INSERT INTO plant ({', '.join(columns)}) SELECT {', '.join(values)}"
        " FROM range(300) AS r(i)"
    )
    contract = {c: {"logicalType": "integer"} for c in promised} | {
        "site": {"logicalType": "string"}
    }
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(
            directory / "queries.csv", database, past, seed, [Asked(load, LOADS, by="loader")]
        ),
        later=(*later, audit),
        later_data=(load,),
        later_batches=LOADS,
        contract=write_contract(directory / "given.odcs.yaml", {"plant": contract}, [inspectors]),
        consumers=(inspectors,),
        known=(Known(("change_type",), "plant", "flow"),),
        best=Best(
            (retyped("plant", "flow", "INTEGER"),),
            more=Best(
                kept_totals("best", "plant", {"site": "site"}, FIGURES),
                ((FLOWS, "SELECT site, top, total / n AS mean FROM best ORDER BY site"),),
            ),
        ),
    )


def _asked(rng: random.Random, used: str) -> Iterator[Asked]:
    yield Asked(FLOWS, rng.randrange(150, 250), by="control-room")
    for _ in range(2):
        yield Asked(
            f"SELECT count(*) AS n, median({used}) AS mid FROM plant"
            f" WHERE CAST(flow AS INTEGER) > {rng.randrange(2000, 8000)}",
            rng.randrange(75, 125),
            by="control-room",
        )
    yield Asked(
        f"SELECT site, median({used}) AS mid FROM plant GROUP BY site ORDER BY site",
        rng.randrange(150, 250),
        by="maintenance",
    )


def _inspectors(promised: list[str]) -> Consumer:
    """Return whoever comes once a year for the first measures that only the contract names."""
    first, second = promised[:2]
    return Consumer(
        "inspectors",
        {"plant": ("site", first, second)},
        (
            f"SELECT site, max({first}) AS top, min({second}) AS least FROM plant"
            " GROUP BY site ORDER BY site",
        ),
    )


def _table(seed: int, rows: int, sites: int) -> str:
    measures = ", ".join(f"(i * {n + 3} + {seed}) % {90 + n} AS m{n:03}" for n in range(MEASURES))
    return (
        f"CREATE TABLE plant AS SELECT CAST(i AS INTEGER) AS id, 'site ' || (hash(i, {seed})"
        f" % {sites}) AS site, CAST(hash(i, {seed}, 1) % 10000 AS VARCHAR) AS flow,"
        f" NULL::VARCHAR AS remark, NULL::INTEGER AS revision, {measures}"
        f" FROM (SELECT CAST(range AS INTEGER) AS i FROM range({rows}))"
    )


def _names(rng: random.Random) -> tuple[str, list[str]]:
    """Return the measure that queries use and those that only the contract names."""
    used, *promised = rng.sample(range(WRITTEN, MEASURES), 11)
    return f"m{used:03}", [f"m{n:03}" for n in promised]
