"""TPC-H, its rows in no order: date-ranged reports beside others, each time for another period."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import rebuilt, write_generated, write_log
from evals.scenarios.literals import Literals, Varied, asked, month, number, one_of, some
from evals.scenarios.scenario import Best, Known, Scenario
from tools.demo.tpcgen import Benchmark
from tools.demo.tpch import QUERIES, TABLES

FAMILY: Benchmark = "tpch"
EXPECTS: Final = "gain"
SCALE = 0.05
_YEAR = month(1993, 1997, months=1)
_OFTEN: Varied = {
    "Q6": {"1994-01-01": _YEAR, "0.06": one_of("0.02|0.04|0.07|0.09"), "24": number(24, 25)},
    "Q14": {"1995-09-01": month(1993, 1997)},
    "Q15": {"1996-01-01": month(1993, 1997)},
}
"""Reports on a year, a month and a quarter of `l_shipdate`."""
_SELDOM: dict[str, Literals] = {
    "Q1": {"90 DAY": lambda rng: f"{rng.randint(60, 120)} DAY"},
    "Q3": {
        "BUILDING": one_of("AUTOMOBILE|BUILDING|FURNITURE|HOUSEHOLD|MACHINERY"),
        "1995-03-15": number(10, 31, "1995-03-"),
    },
    "Q4": {"1993-07-01": month(1993, 1997)},
    "Q5": {"ASIA": one_of("AFRICA|AMERICA|ASIA|EUROPE|MIDDLE EAST"), "1994-01-01": _YEAR},
    "Q7": {"FRANCE": one_of("BRAZIL|CHINA|FRANCE|INDIA"), "GERMANY": one_of("GERMANY|JAPAN|PERU")},
    "Q10": {"1993-10-01": month(1993, 1994)},
    "Q12": {
        "'MAIL', 'SHIP'": one_of("'MAIL', 'SHIP'|'AIR', 'FOB'|'RAIL', 'TRUCK'"),
        "1994-01-01": _YEAR,
    },
    "Q19": {"Brand#12": one_of("Brand#11|Brand#12|Brand#21"), ">= 10": number(10, 20, ">= ")},
    "Q22": {"'13'": one_of("'13'|'20'|'33'"), "'31'": one_of("'31'|'22'|'10'")},
}


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; storing the lines in the order of shipping is the known gain."""
    rng = random.Random(seed)
    database = write_generated(directory, FAMILY, SCALE, _stored(seed, rng.randrange(900, 1000)))
    seldom = some(rng, _SELDOM, 4)
    past, later = (tuple(asked(rng, QUERIES, _OFTEN, seldom)) for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=later,
        later_data=_refresh(rng),
        known=(Known(("sort_table",), "lineitem", "l_shipdate"),),
        best=Best(rebuilt("lineitem", "l_shipdate")),
    )


def _stored(seed: int, kept: int) -> dict[str, str]:
    """Keep so many of a thousand orders, and these and their lines in no order."""
    found = dict.fromkeys(TABLES, "")
    for table, key, row in (
        ("orders", "o_orderkey", "o_orderkey"),
        ("lineitem", "l_orderkey", "l_orderkey, l_linenumber"),
    ):
        found[table] = f"WHERE hash({key}, {seed}) % 1000 < {kept} ORDER BY hash({row}, {seed})"
    return found


def _refresh(rng: random.Random) -> tuple[str, ...]:
    """Return the benchmark's first refresh function: new orders with their lines."""
    last = 4 * rng.randrange(100, 200)  # A quarter of the keys is used.
    top = "(SELECT max(l_orderkey) FROM lineitem)"
    return tuple(
        f"INSERT INTO {table} SELECT * REPLACE ({key} + {top} AS {key}) FROM {table}"
        f" WHERE {key} <= {last}"
        for table, key in (("orders", "o_orderkey"), ("lineitem", "l_orderkey"))
    )
