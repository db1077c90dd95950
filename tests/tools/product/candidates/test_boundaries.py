"""Constants on the boundary of an hour, a day or a month."""

from __future__ import annotations

import duckdb
import pytest

from tools.product.candidates.boundaries import boundary_of
from tools.product.candidates.grouped import parse_part

HOUR = {"HOUR"}
DAY = {"HOUR", "DAY"}
MONTH = {"HOUR", "DAY", "MONTH"}


@pytest.mark.parametrize(
    ("text", "grains"),
    [
        ("DATE '2013-12-24'", DAY),
        ("CAST('2013-12-01' AS DATE)", MONTH),
        ("TIMESTAMP '2013-12-24'", DAY),
        ("TIMESTAMP '2013-12-24 00:00'", DAY),
        ("('2013-12-24T00:00:00.000000'::TIMESTAMP)", DAY),
        ("TIMESTAMP '2013-12-24 05:00:00'", HOUR),
        ("TIMESTAMP '2013-12-01 05:00:00'", HOUR),
        ("TIMESTAMP '2013-01-01 00:00:00.0'", MONTH),
        ("TIMESTAMP '0001-01-01'", MONTH),
        ("TIMESTAMP '9999-12-31'", DAY),
        ("current_date", DAY),
        ("today()", DAY),
        ("current_date - 7", DAY),
        ("current_date + 1", DAY),
        ("current_date - INTERVAL 30 DAY", DAY),
        ("(current_date - INTERVAL '1' MONTH)", DAY),
        ("current_date - INTERVAL '2 weeks'", DAY),
        ("CAST(current_date - INTERVAL 1 QUARTER AS TIMESTAMP)", DAY),
        ("date_trunc('month', current_date)", DAY),
        ("date_trunc('week', today()) - INTERVAL 1 WEEK", DAY),
        ("DATE '2013-12-24' - INTERVAL 30 DAY", DAY),
        ("TIMESTAMP '2013-12-24' + INTERVAL 1 YEAR", DAY),
    ],
)
def test_a_constant_is_on_these_boundaries(text: str, grains: set[str]) -> None:
    assert boundary_of(parse_part(text)) == grains
    with duckdb.connect() as con:
        for grain in grains:
            same = f"SELECT date_trunc('{grain}', v) = v FROM (SELECT CAST({text} AS TIMESTAMP) v)"
            assert con.execute(same).fetchone() == (True,)


@pytest.mark.parametrize(
    "text",
    [
        "TIMESTAMP '2013-12-24 00:00:01'",
        "TIMESTAMP '2013-12-24 00:30'",
        "TIMESTAMP '2013-12-24 00:00:00.0000001'",
        "TIMESTAMP '2013-12-24 24:00:00'",
        "TIMESTAMP '2013-12-24 00:00:00+02'",
        "TIMESTAMP '2013-12-24 00:00:00 Europe/Berlin'",
        "TIMESTAMPTZ '2013-12-24 00:00:00'",
        "CAST('2013-12-24' AS TIMESTAMP_NS)",
        "CAST('2013-12-24' AS TIMESTAMP(9))",
        "TRY_CAST('2013-12-24' AS TIMESTAMP)",
        "DATE '2013-12-24 24:00:00'",
        "'2013-02-30'",
        "'infinity'",
        "TIMESTAMP 'epoch'",
        "TIMESTAMP '0044-03-15 (BC)'",
        "'10000-01-01'",
        "'２013-12-24'",
        "' 2013-12-24'",
        "20131224",
        "now()",
        "current_timestamp",
        "current_date - INTERVAL 30 HOUR",
        "current_date - INTERVAL '1 day 5 hours'",
        "current_date - INTERVAL '1.5' DAY",
        "current_date - INTERVAL (n) DAY",
        "current_date - n",
        "now() - INTERVAL 30 DAY",
        "date_trunc('hour', current_date)",
        "date_trunc('day', now())",
        "TIMESTAMP '2013-12-24 05:00:00' - INTERVAL 1 DAY",
        "'2013-12-24' - INTERVAL 1 DAY",
        "CAST(current_date AS TIMESTAMPTZ)",
        "date_trunc('day', x)",
        "x",
        "NULL",
    ],
)
def test_a_constant_that_is_not_surely_on_a_days_boundary_is_not_taken_for_one(text: str) -> None:
    assert "DAY" not in boundary_of(parse_part(text))
