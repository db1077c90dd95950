"""New York's flights of 2013 as the feed wrote them: all text, cast by dashboards; NA stays NA."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from evals.scenarios.building import retyped, write_contract, write_log
from evals.scenarios.flights_kept import DASHBOARDS, KEPT
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario
from tools.demo.flights import build_flights, queries

FAMILY = "flights"
EXPECTS: Final = "gain"
SHARE = 0.5
LIVE = (
    "the last week by hour", "the last month by carrier", "yesterday", "punctuality of the quarter",
    "miles and speed of the quarter",
)  # fmt: skip
SELDOM = (
    "dashboard: flights and delay a day", "dashboard: cancelled share by month",
    "report: delay by hour of day", "report: worst routes", "report: carriers by name",
    "report: wind and delay", "report: delay percentiles by carrier", "report: July by carrier",
)  # fmt: skip
ALWAYS = ("dashboard: delay by origin and month", "report: summer delays")
WHOLE = {"time_hour": "TIMESTAMP", "month": "INTEGER", "distance": "INTEGER", "hour": "INTEGER"}
"""Columns that have a value in every row, which queries cast with no TRY."""
UNREAD = ("minute", "arr_time", "sched_arr_time", "flight", "day")
FEED = {
    "year": "'2014'",
    "month": "'1'",
    "day": "CAST(1 + i % 7 AS VARCHAR)",
    "dep_time": "if(i % 40 = 0, 'NA', '617')",
    "sched_dep_time": "'600'",
    "dep_delay": "if(i % 40 = 0, 'NA', CAST(i % 90 - 20 AS VARCHAR))",
    "arr_time": "if(i % 40 = 0, 'NA', '833')",
    "sched_arr_time": "'819'",
    "arr_delay": "if(i % 40 = 0, 'NA', CAST(i % 80 - 25 AS VARCHAR))",
    "carrier": "if(i % 3 = 0, 'UA', 'B6')",
    "flight": "CAST(i AS VARCHAR)",
    "tailnum": "'N14228'",
    "origin": "if(i % 2 = 0, 'EWR', 'JFK')",
    "dest": "'IAH'",
    "air_time": "if(i % 40 = 0, 'NA', '227')",
    "distance": "'1400'",
    "hour": "'6'",
    "minute": "'0'",
    "time_hour": "'2014-01-0' || (1 + i % 7) || 'T11:00:00Z'",
}
"""Next year's first flights, some of them cancelled."""

BACK = {"2013-12-31": 0, "2013-12-30": 1, "2013-12-24": 7, "2013-12-01": 30, "2013-10-01": 91}
"""How many days before the year's last one the live dashboards look."""
LAST = re.compile("|".join(BACK))
STATED = dict.fromkeys(("carrier", "tailnum", "origin", "dest", "dep_delay"), "string") | {
    "time_hour": "timestamp"
}
"""What the contract says of the flights; their other columns are whole numbers where there are."""
CLAIMS = Consumer(
    "claims",
    {"flights": ("carrier", "tailnum", "dep_delay", "time_hour")},
    (
        "SELECT carrier, count(*) AS cancelled FROM flights WHERE dep_delay = 'NA'"
        " GROUP BY carrier ORDER BY carrier",
        "SELECT tailnum, count(*) AS n FROM flights WHERE CAST(time_hour AS TIMESTAMP)"
        " >= TIMESTAMP '2013-12-20' AND dep_delay LIKE '___' GROUP BY tailnum ORDER BY tailnum",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; the time as a TIMESTAMP is the known gain, delays have to stay text."""
    rng = random.Random(seed)
    database = directory / f"{FAMILY}.duckdb"
    build_flights(database, lambda step, share: None, scale=SHARE)
    unread = rng.sample(UNREAD, 2)
    with duckdb.connect(str(database)) as con:
        con.execute(
            f"CREATE TABLE kept AS SELECT * EXCLUDE ({', '.join(unread)}) FROM flights"
            f" WHERE hash(rowid, {seed}) % 1000 < {rng.randrange(700, 900)} ORDER BY rowid"
        )
        con.execute("DROP TABLE flights")
        con.execute("ALTER TABLE kept RENAME TO flights")
    names = [f"live: {name}" for name in rng.sample(LIVE, 3)]
    others = (*ALWAYS, *rng.sample(SELDOM, 2))
    past, later = (tuple(_asked(rng, names, others)) for _ in range(2))
    feed = ", ".join(f"{value} AS {name}" for name, value in FEED.items() if name not in unread)
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, [q for q, _ in past], seed),
        contract=write_contract(directory / "given.odcs.yaml", _promised(database), [CLAIMS]),
        consumers=(CLAIMS,),
        later=tuple(q for q, _ in later),
        later_data=(f"INSERT INTO flights BY NAME SELECT {feed} FROM range(400) AS r(i)",),
        known=(Known(("change_type",), "flights", "time_hour"),),
        best=Best(
            tuple(retyped("flights", name, to) for name, to in WHOLE.items()),
            more=Best(KEPT, tuple((q.sql, kept) for q, kept in later if kept)),
        ),
    )


def _promised(database: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Promise all columns by name, and of the flights what they hold."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    with duckdb.connect(str(database), read_only=True) as con:
        columns = con.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    for table, column in columns:
        stated = STATED.get(column, "integer") if table == "flights" else ""
        found.setdefault(table, {})[column] = {"logicalType": stated} if stated else {}
    return found


def _moved(day: date, found: re.Match[str]) -> str:
    return (day - timedelta(days=BACK[found[0]])).isoformat()


def _asked(
    rng: random.Random, live: Collection[str], others: Collection[str]
) -> Iterator[tuple[Asked, str]]:
    """Return a month's dashboards, each with its text over what the author keeps, or none.

    The live ones look back from two days of the year.
    """
    texts = queries()
    for name in (*live, *live):
        day = date(2013, 2, 1) + timedelta(days=rng.randrange(300))
        sql, kept = (LAST.sub(partial(_moved, day), t) for t in (texts[name], _kept(name)))
        yield Asked(sql, rng.randrange(200, 360), by="operations"), kept
    for name in others:
        yield Asked(texts[name], rng.randrange(20, 90), by="reports"), _kept(name)


def _kept(name: str) -> str:
    return DASHBOARDS.get(name, "")
