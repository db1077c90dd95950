"""What an author would keep beside the flights: totals by day, and dashboards made of these."""

from __future__ import annotations

from evals.scenarios.building import kept_totals

_DELAY, _LATE = "TRY_CAST(dep_delay AS INTEGER)", "TRY_CAST(arr_delay AS INTEGER)"
_FLOWN = "TRY_CAST(air_time AS DOUBLE)"
_SPEED = f"CAST(distance AS DOUBLE) / ({_FLOWN} / 60)"
KEPT = kept_totals(
    "best",
    "flights",
    {
        "day": "CAST(time_hour AS DATE)",
        "month": "month",
        "origin": "origin",
        "carrier": "carrier",
    },
    {
        "n": "count(*)",
        "delay": f"sum({_DELAY})",
        "delayed": f"count({_DELAY})",
        "flown": "sum(TRY_CAST(air_time AS BIGINT))",
        "arrival": f"sum({_LATE})",
        "arrived": f"count({_LATE})",
        "on_time": f"count(*) FILTER ({_LATE} <= 0)",
        "nearly": f"count(*) FILTER ({_LATE} BETWEEN 1 AND 15)",
        "late": f"count(*) FILTER ({_LATE} BETWEEN 16 AND 60)",
        "very_late": f"count(*) FILTER ({_LATE} > 60)",
        "miles": "sum(CAST(distance AS BIGINT))",
        "speed": f"sum({_SPEED})",
        "sped": f"count({_SPEED})",
    },
)
"""Statements for a product whose times and distances are stored as what they are."""
DASHBOARDS = {
    "live: the last month by carrier": (
        "SELECT carrier, CAST(sum(n) AS BIGINT) AS flights, CAST(sum(late + very_late) AS BIGINT)"
        " AS late, round(sum(arrival) / sum(arrived), 2) AS arr_delay FROM best"
        " WHERE day >= DATE '2013-12-01' GROUP BY carrier ORDER BY carrier"
    ),
    "live: punctuality of the quarter": (
        "SELECT "
        + ", ".join(
            f"CAST(coalesce(sum({name}), 0) AS BIGINT) AS {name}"
            for name in ("on_time", "nearly", "late", "very_late")
        )
        + " FROM best WHERE day >= DATE '2013-10-01'"
    ),
    "live: miles and speed of the quarter": (
        "SELECT sum(miles) AS miles, sum(flown) AS minutes, round(sum(speed) / sum(sped), 2)"
        " AS miles_per_hour FROM best WHERE day >= DATE '2013-10-01'"
    ),
    "dashboard: delay by origin and month": (
        "SELECT origin, month AS month_of_year, round(sum(delay) / sum(delayed), 2) AS dep_delay,"
        " sum(flown) AS minutes_flown FROM best GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "report: summer delays": (
        "SELECT origin, round(sum(delay) / sum(delayed), 2) AS dep_delay,"
        " CAST(sum(n) AS BIGINT) AS flights FROM best WHERE month BETWEEN 6 AND 8"
        " GROUP BY origin ORDER BY origin"
    ),
}
"""Queries by name, with the literals that are moved in both."""
