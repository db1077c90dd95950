"""The families there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evals.scenarios import (
    correlated,
    drifting,
    drop_unused,
    enum_group_by,
    event_log,
    finance_mesh,
    flights,
    given_up,
    hostile_names,
    insert_heavy,
    later_text,
    leading_zeros,
    month_buckets,
    nothing_to_improve,
    point_lookup,
    promised_unused,
    raw_text,
    repeated_totals,
    rewrites,
    star_schema,
    status_index,
    tiny,
    tpcds,
    tpch,
    unsorted_ranges,
    views,
    wide_table,
)
from evals.scenarios.scenario import Expectation, Scenario

MODULES = (
    raw_text, unsorted_ranges, point_lookup, repeated_totals, nothing_to_improve, tiny,
    leading_zeros, later_text, promised_unused, status_index, insert_heavy, hostile_names, drifting,
    tpch, tpcds, flights, finance_mesh, event_log, star_schema, wide_table, correlated,
    enum_group_by, month_buckets, rewrites, drop_unused,
    given_up, views,
)  # fmt: skip
Build = Callable[[int, Path], Scenario]


def families() -> dict[str, Build]:
    """Return each family's builder."""
    return {module.FAMILY: module.build for module in MODULES}


def expected(family: str) -> Expectation:
    """Return what the author of a family knows to be there, without building it."""
    found: dict[str, Expectation] = {module.FAMILY: module.EXPECTS for module in MODULES}
    return found.get(family, "open")


def described() -> dict[str, str]:
    """Return each family's sentence."""
    return {module.FAMILY: (module.__doc__ or "").strip() for module in MODULES}
