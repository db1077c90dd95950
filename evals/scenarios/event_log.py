"""Events of visitors as they arrived: late, in no order, their times kept as text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import (
    MONTH,
    log_days,
    rebuilt,
    retyped,
    write_contract,
    write_database,
    write_log,
)
from evals.scenarios.scenario import Asked, Best, Consumer, Known, Scenario

FAMILY = "event_log"
EXPECTS: Final = "gain"
DAYS = 56
BATCHES = 10
TIME = "CAST(seen AS TIMESTAMP)"
PROMISED = {
    "id": {"logicalType": "integer"},
    "seen": {"logicalType": "timestamp"},
    "visitor": {"logicalType": "integer"},
    "kind": {"logicalType": "string"},
    "page": {"logicalType": "string"},
}
ADVERTISING = Consumer(
    "advertising",
    {"events": ("visitor", "seen", "kind", "page")},
    (
        f"SELECT visitor, max({TIME}) AS newest FROM events WHERE kind = 'pay' AND visitor < 50"
        " GROUP BY visitor ORDER BY visitor",
        "SELECT page, count(*) AS n FROM events WHERE kind <> 'view' AND page LIKE 'page 1%'"
        " GROUP BY page ORDER BY page",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; times stored as times are the known gain, their order the next one."""
    rng = random.Random(seed)
    rows, visitors = rng.randrange(248_000, 262_000), rng.randrange(4_000, 9_000)
    database = write_database(
        directory, FAMILY, [f"CREATE TABLE events AS {_events(seed, rows, visitors)}"]
    )
    past = [q for day in rng.sample(range(DAYS - 10), 3) for q in _ask(rng, day)]
    later = [q for days in (1, 2, 3) for q in _ask(rng, DAYS - days)]
    load = (
        "INSERT INTO events SELECT 9000000 + i, strftime(TIMESTAMP '2026-03-01'"
        " + to_seconds((i * 7919) % 86400), '%Y-%m-%d %H:%M:%S'), i % 900,"
        " ['view', 'cart', 'pay'][1 + i % 3], 'page ' || (i % 40) FROM range(800) AS r(i)"
    )
    writes = [Asked(load, BATCHES, by="collector")]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed, writes, _days(seed)),
        contract=write_contract(directory / "given.odcs.yaml", {"events": PROMISED}, [ADVERTISING]),
        consumers=(ADVERTISING,),
        later=tuple(later),
        later_data=(load,),
        later_batches=BATCHES,
        known=(Known(("change_type",), "events", "seen"),),
        best=Best((retyped("events", "seen", "TIMESTAMP"), *rebuilt("events", "seen"))),
    )


def _days(seed: int) -> range:
    """Return the log's days: at most a month, for a day is asked for when it is over."""
    return range(log_days(FAMILY, seed, most=MONTH))


def _events(seed: int, rows: int, visitors: int) -> str:
    second = f"hash(i, {seed}) % {DAYS * 86400}"
    return (
        "SELECT i AS id, strftime(TIMESTAMP '2026-01-04' + to_seconds(CAST("
        f"{second} AS BIGINT)), '%Y-%m-%d %H:%M:%S') AS seen,"
        f" CAST(hash(i, {seed}, 1) % {visitors} AS INTEGER) AS visitor,"
        f" ['view', 'view', 'view', 'cart', 'pay'][1 + CAST("
        f"hash(i, {seed}, 2) % 5 AS INTEGER)] AS kind,"
        f" 'page ' || (hash(i, {seed}, 3) % (1 + hash(i, {seed}, 4) % 300)) AS page"
        f" FROM range({rows}) AS r(i)"
    )


def _ask(rng: random.Random, day: int) -> tuple[Asked, Asked, Asked]:
    """Ask for the sessions, the funnel and the best pages of a day."""
    start = f"TIMESTAMP '2026-01-04' + INTERVAL {day} DAY"
    within = f"{TIME} >= {start} AND {TIME} < {start} + INTERVAL 1 DAY"
    sessions = (
        f"WITH steps AS (SELECT {TIME} AS step, lag({TIME}) OVER (PARTITION BY visitor"
        f" ORDER BY {TIME}) AS earlier FROM events WHERE {within})"
        " SELECT count(*) AS sessions FROM steps"
        " WHERE earlier IS NULL OR step - earlier > INTERVAL 30 MINUTE"
    )
    funnel = (
        "SELECT count(DISTINCT visitor) FILTER (WHERE kind = 'view') AS viewed,"
        " count(DISTINCT visitor) FILTER (WHERE kind = 'pay') AS paid"
        f" FROM events WHERE {within}"
    )
    top = (
        f"SELECT page, count(DISTINCT visitor) AS n FROM events WHERE {within}"
        " GROUP BY page ORDER BY n DESC, page LIMIT 10"
    )
    sessions_runs, funnel_runs, top_runs = (rng.randrange(10, 30) for _ in range(3))
    return (
        Asked(sessions, sessions_runs, by="growth"),
        Asked(funnel, funnel_runs, by="growth"),
        Asked(top, top_runs, by="editors"),
    )
