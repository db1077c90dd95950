"""Project finance: a few big projects, draw-downs at quarter ends, late bookings, dates as text."""

from __future__ import annotations

import random
from collections.abc import Iterator
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

FAMILY = "finance_mesh"
EXPECTS: Final = "gain"
BOOKINGS = 30
"""Loads a month."""
TEXT: dict[str, object] = {"logicalType": "string"}
PROMISED: dict[str, dict[str, dict[str, object]]] = {
    "projects": {"code": {**TEXT, "required": True}, "sector": TEXT, "country": TEXT},
    "tranches": {"project": TEXT, "committed": {"logicalType": "number"}},
    "drawdowns": {
        "project": {**TEXT, "required": True},
        "drawn": {"logicalType": "date"},
        "booked": {"logicalType": "date"},
        "amount": {"logicalType": "number", "required": True},
    },
    "risk_assessments": {"project": TEXT, "assessed": {"logicalType": "date"}},
}


REGULATOR = Consumer(
    "regulator",
    {"projects": ("code", "country"), "drawdowns": ("project", "booked", "amount")},
    (
        "SELECT country, sum(amount) AS total FROM drawdowns JOIN projects ON code = project"
        " WHERE booked >= DATE '2026-01-01' GROUP BY country ORDER BY country",
        "SELECT code, left(code, 4) AS portfolio FROM projects WHERE code LIKE '0000%'"
        " ORDER BY code",
    ),
)
RISK_DESK = Consumer(
    "risk-desk",
    {"tranches": ("project", "committed"), "risk_assessments": ("project", "assessed")},
    (
        "SELECT project, max(CAST(assessed AS DATE)) AS newest FROM risk_assessments"
        " WHERE project LIKE '0001%' GROUP BY project ORDER BY project",
        "SELECT project, sum(committed) AS committed FROM tranches WHERE project < '000100'"
        " GROUP BY project ORDER BY project",
    ),
)


def build(seed: int, directory: Path) -> Scenario:
    """Make the product; draw-downs by date and the assessments' day as a DATE are known gains.

    The draw-downs come project by project, as their servicers deliver them. A project's code is
    promised as text and begins with zeros.
    """
    rng = random.Random(seed)
    database = write_database(directory, FAMILY, _tables(rng, seed))
    past, later = (tuple(_asked(rng)) for _ in range(2))
    booking = _booking(rng)
    writes = [Asked(statement, BOOKINGS, by="servicer") for statement in booking]
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed, writes, _days(seed)),
        contract=write_contract(directory / "given.odcs.yaml", PROMISED, [REGULATOR, RISK_DESK]),
        consumers=(REGULATOR, RISK_DESK),
        later=later,
        later_data=booking,
        later_batches=BOOKINGS,
        known=(
            Known(("sort_table",), "drawdowns", "drawn"),
            Known(("change_type",), "risk_assessments", "assessed"),
        ),
        best=Best(
            (*rebuilt("drawdowns", "drawn"), retyped("risk_assessments", "assessed", "DATE"))
        ),
    )


def _days(seed: int) -> list[int]:
    """Return the log's days: the quarter's last five are asked ten times as much as the others."""
    count = log_days(FAMILY, seed, fewest=MONTH)
    return [*range(count), *(day for day in range(count - 5, count) for _ in range(9))]


def _tables(rng: random.Random, seed: int) -> Iterator[str]:
    projects, draws = rng.randrange(1500, 3000), rng.randrange(400_000, 500_000)
    risks = rng.randrange(60_000, 100_000)
    yield (
        f"CREATE TABLE projects AS SELECT {_code('i')} AS code, 'Project ' || i AS name,"
        f" 's' || (hash(i, {seed}) % 12) AS sector, 'c' || (hash(i, {seed}, 1) % 40) AS country"
        f" FROM range({projects}) AS r(i)"
    )
    yield (
        f"CREATE TABLE tranches AS SELECT {_code(f'i % {projects}')} AS project,"
        " CASE i % 3 WHEN 0 THEN 'senior' WHEN 1 THEN 'mezzanine' ELSE 'equity' END AS kind,"
        f" CAST(1000000 + hash(i, {seed}, 3) % 90000000 AS DECIMAL(14, 2)) AS committed"
        f" FROM range({projects * 3}) AS r(i)"
    )
    chosen = f"CAST({projects - 1} * pow({_share(seed, 4)}, 3) AS INTEGER)"
    yield (
        f"CREATE TABLE drawdowns AS SELECT i AS id, {_code('p')} AS project,"
        " quarter + CAST(88 * (1 - pow(late, 3)) AS INTEGER) AS drawn, drawn + 3 AS booked,"
        f" CAST(hash(i, {seed}, 5) % 500000000 / 100 AS DECIMAL(14, 2)) AS amount"
        f" FROM (SELECT i, {chosen} AS p, {_share(seed, 6)} AS late, CAST(DATE '2019-01-01'"
        f" + to_months(CAST(3 * (hash(i, {seed}, 7) % 28) AS INTEGER)) AS DATE) AS quarter"
        f" FROM range({draws}) AS r(i)) ORDER BY p, i"
    )
    yield (
        f"CREATE TABLE risk_assessments AS SELECT i AS id, {_code(f'i % {projects}')} AS project,"
        f" CAST(DATE '2019-01-01' + CAST(hash(i, {seed}, 8) % 2550 AS INTEGER) AS VARCHAR)"
        f" AS assessed, {_share(seed, 9)} / 20 AS default_share, 0.2 + {_share(seed, 10)} / 2"
        f" AS loss_share, 'BB' || (hash(i, {seed}, 11) % 8) AS rating FROM range({risks}) AS r(i)"
    )


def _code(number: str) -> str:
    return f"lpad(CAST({number} AS VARCHAR), 6, '0')"


def _share(seed: int, purpose: int) -> str:
    return f"(hash(i, {seed}, {purpose}) % 1000003) / 1000003.0"


def _asked(rng: random.Random) -> Iterator[Asked]:
    """Return a month's queries: of periods many times, of all and of one project seldom."""
    for _ in range(2):
        begin = f"DATE '{rng.randint(2019, 2025)}-{rng.choice((1, 4, 7, 10)):02}-01'"
        within = f"drawn >= {begin} AND drawn < {begin} + INTERVAL 3 MONTH"
        yield Asked(
            "SELECT sector, count(*) AS n, sum(amount) AS total FROM drawdowns"
            f" JOIN projects ON code = project WHERE {within} GROUP BY sector ORDER BY sector",
            rng.randrange(60, 90),
            by="treasury",
        )
        yield Asked(
            "SELECT drawn, count(*) AS n, sum(amount) AS total, max(booked - drawn) AS latest"
            f" FROM drawdowns WHERE {within} GROUP BY drawn ORDER BY drawn",
            rng.randrange(60, 90),
            by="servicing",
        )
        yield Asked(
            "SELECT rating, count(*) AS n, avg(default_share * loss_share) AS expected_loss"
            f" FROM risk_assessments WHERE CAST(assessed AS DATE) >= {begin}"
            " GROUP BY rating ORDER BY rating",
            rng.randrange(60, 90),
            by="risk-desk",
        )
        yield Asked(
            "SELECT name, drawn, booked, amount FROM drawdowns JOIN projects ON code = project"
            f" WHERE project = '{rng.randrange(1500):06}' ORDER BY drawn, id",
            rng.randrange(5, 15),
            by="servicing",
        )
    yield Asked(
        "SELECT country, kind, sum(committed * default_share * loss_share) AS expected_loss"
        " FROM (SELECT *, row_number() OVER (PARTITION BY project"
        " ORDER BY CAST(assessed AS DATE) DESC, id DESC) AS age FROM risk_assessments) AS r"
        " JOIN tranches t ON t.project = r.project JOIN projects ON code = t.project"
        " WHERE age = 1 GROUP BY country, kind ORDER BY country, kind",
        rng.randrange(10, 20),
        by="risk-desk",
    )


def _booking(rng: random.Random) -> tuple[str, ...]:
    """Return a night's rows; every third draw-down is booked months after its day."""
    rows = rng.randrange(60, 150)
    return (
        "INSERT INTO drawdowns SELECT (SELECT max(id) FROM drawdowns) + 1 + i,"
        " lpad(CAST(i AS VARCHAR), 6, '0'), DATE '2026-03-30' - CAST(if(i % 3 = 0, 90 + i, i % 5)"
        f" AS INTEGER), DATE '2026-04-01', 1000.25 * i FROM range({rows}) AS r(i)",
        "INSERT INTO risk_assessments SELECT (SELECT max(id) FROM risk_assessments) + 1 + i,"
        " lpad(CAST(i AS VARCHAR), 6, '0'), '2026-03-' || (10 + i % 20), 0.01, 0.4, 'BB3'"
        " FROM range(40) AS r(i)",
    )
