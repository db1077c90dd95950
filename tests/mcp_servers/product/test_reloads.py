"""A summary whose table was loaded anew since: it can be made again, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_servers.product.contract import ApplyRequest, MeasureLimits
from mcp_servers.product.service import QUERY_KINDS, ProductService
from mcp_servers.product.settings import ProductSettings
from tests.products import make_product
from tools.messages import Candidate, CreateSummary, change_id
from tools.product.errors import Refused
from tools.product.steps import quiet

GROUPED = """
SELECT region, count(*) AS n, sum(id) AS ids, min(id) AS first, max(id) AS last
  FROM sales GROUP BY region ORDER BY region;
"""
RELOAD = "CREATE OR REPLACE TABLE sales AS SELECT * FROM sales"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProductService]:
    product = make_product(tmp_path, tmp_path / "home", rows=200_000, queries=GROUPED)
    service = ProductService(product, ProductSettings())
    yield service
    service.close()


def the_summary(service: ProductService) -> Candidate:
    found = service.find(QUERY_KINDS)
    assert found.refused == ()
    (idea,) = (c for c in found.candidates if isinstance(c.change, CreateSummary))
    return idea


def run(service: ProductService, sql: str) -> list[tuple[object, ...]]:
    with service.owner.lock, service.owner.cursor() as con:
        return con.execute(sql).fetchall()


def approve(service: ProductService, change: CreateSummary, approval: str) -> str:
    key = change_id("sales", change)
    hashed = service.check(change).schema_hash
    request = ApplyRequest(proposal_id=key, change=change, schema_hash=hashed, approval=approval)
    assert service.apply(request).approval == approval
    return key


def with_other_texts(change: CreateSummary) -> CreateSummary:
    """Return the same summary as a later run offers it: its queries have other literals."""
    return change.model_copy(
        update={"rewrites": tuple((f"{old} LIMIT 9", new) for old, new in change.rewrites)}
    )


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("loses", [RELOAD, 'DROP TRIGGER "{summary}_update" ON sales'])
def test_a_summary_that_a_reload_left_behind_is_measured_and_made_again(
    service: ProductService, same: bool, loses: str
) -> None:
    idea = the_summary(service)
    assert isinstance(idea.change, CreateSummary)
    first = approve(service, idea.change, "run 1")
    run(service, loses.format(summary=idea.change.summary.name))
    run(service, "INSERT INTO sales SELECT id + 1000000, amount, region, status FROM sales")
    service.owner.refresh_rewrites()

    again = the_summary(service)
    (trial,) = service.measure((again,), MeasureLimits(budget_seconds=30), quiet).trials
    assert trial.status == "accepted", trial.reason
    assert trial.evidence and trial.evidence.rehearsal and trial.evidence.rehearsal.ok
    change = idea.change if same else with_other_texts(idea.change)
    second = approve(service, change, "run 2")
    counted = f"SELECT sum(count_0) FROM {change.summary.sql}"
    assert run(service, counted) == [(400_000,)]
    run(service, "DELETE FROM sales WHERE region = 'r1'")
    assert run(service, counted) == run(service, "SELECT count(*) FROM sales")

    status = {c.proposal_id: c.status for c in service.changes()}
    assert status == {first: "undone", second: "applied"} | {second: "applied"}
    assert service.undo(second, rolled_back=False).status == "undone"
    assert [str(t.name) for t in service.owner.catalog().tables] == ["sales"]
    assert run(service, "SELECT count(*) FROM duckdb_triggers()") == [(0,)]


def test_a_table_of_that_name_that_is_no_summary_of_ours_stays(service: ProductService) -> None:
    idea = the_summary(service)
    assert isinstance(idea.change, CreateSummary)
    approve(service, idea.change, "run 1")
    run(service, RELOAD)
    name = idea.change.summary.sql
    run(service, f"CREATE OR REPLACE TABLE {name} AS SELECT 1 AS mine")
    with pytest.raises(Refused, match="There is already a table"):
        service.check(idea.change)
    assert run(service, f"SELECT mine FROM {name}") == [(1,)]
