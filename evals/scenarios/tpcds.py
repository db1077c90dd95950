"""TPC-DS, the store's side: queries reach the sales of a month or year through the date's key."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import rebuilt, write_generated, write_log
from evals.scenarios.literals import Literals, Varied, asked, number, one_of, some
from evals.scenarios.scenario import Best, Known, Scenario
from tools.demo.tpcgen import Benchmark

FAMILY: Benchmark = "tpcds"
EXPECTS: Final = "gain"
SCALE = 0.12
QUERIES = Path(__file__).with_name("tpcds.sql")
TABLES = (
    "store_sales", "date_dim", "time_dim", "item", "store", "customer", "customer_address",
    "household_demographics",
)  # fmt: skip
_YEAR = number(1998, 2002, "d_year = ")
_HOLIDAYS = number(11, 12, "d_moy = ")
_MANAGER = number(1, 100, "i_manager_id = ")
_OFTEN: Varied = {
    "Q42": {"d_moy = 11": _HOLIDAYS, "d_year = 2000": _YEAR},
    "Q52": {"d_moy = 11": _HOLIDAYS, "d_year = 2000": _YEAR},
    "Q55": {"d_moy = 11": _HOLIDAYS, "d_year = 1999": _YEAR, "i_manager_id = 28": _MANAGER},
    "Q98": {
        "1999-02-22": lambda rng: f"{rng.randint(1998, 2002)}-0{rng.randint(2, 7)}-22",
        "'Sports', 'Books'": one_of("'Sports', 'Books'|'Men', 'Music'|'Shoes', 'Children'"),
    },
}
"""Reports on a month of sales."""
_SELDOM: dict[str, Literals] = {
    "Q3": {"d_moy = 11": _HOLIDAYS, "i_manufact_id = 128": number(1, 1000, "i_manufact_id = ")},
    "Q6": {"d_year = 2001": _YEAR, "d_moy = 1": number(1, 7, "d_moy = ")},
    "Q19": {"d_moy = 11": _HOLIDAYS, "d_year = 1998": _YEAR, "i_manager_id = 8": _MANAGER},
    "Q43": {"d_year = 2000": _YEAR},
    "Q65": {"1176": number(1176, 1224)},
    "Q73": {"1999": number(1998, 2000)},
    "Q89": {"(1999)": lambda rng: f"({rng.randint(1998, 2002)})"},
    "Q96": {
        "hour = 20": one_of("hour = 8|hour = 15|hour = 20"),
        "count = 7": number(0, 9, "count = "),
    },
}


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; storing the sales in the order of the date's key is the known gain.

    The engine narrows a scan by what it finds on the other side of a join. The tables are the
    generator's, with its skew and missing keys; a seeded part of the tickets is left out.
    """
    rng = random.Random(seed)
    database = write_generated(directory, FAMILY, SCALE, _stored(seed, rng.randrange(900, 1000)))
    seldom = some(rng, _SELDOM, 3)
    past, later = (tuple(asked(rng, QUERIES, _OFTEN, seldom)) for _ in range(2))
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=later,
        later_data=(_new_tickets(rng),),
        known=(Known(("sort_table",), "store_sales", "ss_sold_date_sk"),),
        best=Best(rebuilt("store_sales", "ss_sold_date_sk")),
    )


def _stored(seed: int, kept: int) -> dict[str, str]:
    ticket = f"hash(ss_ticket_number, {seed})"
    sales = f"WHERE {ticket} % 1000 < {kept} ORDER BY {ticket}, ss_item_sk"
    return dict.fromkeys(TABLES, "") | {"store_sales": sales}


def _new_tickets(rng: random.Random) -> str:
    """Return the next months' sales: tickets with new numbers, five years after the old ones."""
    return (
        "INSERT INTO store_sales SELECT * REPLACE (ss_sold_date_sk + 1826 AS ss_sold_date_sk,"
        " ss_ticket_number + (SELECT max(ss_ticket_number) FROM store_sales) AS ss_ticket_number)"
        f" FROM store_sales WHERE ss_ticket_number <= {rng.randrange(60, 120)}"
    )
