"""One product from an editor's first question to its undo, in both eras, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import ElicitRequestFormParams, ElicitResult

from tests.api.ide.clients import callback, says
from tests.commands import make_home
from tests.ledgers import KEPT
from tests.products import QUERIES

pytestmark = pytest.mark.timeout(240)
COSTS = (
    "CREATE TABLE costs AS SELECT i AS id, CAST(hash(i) % 900 AS VARCHAR) AS cost"
    " FROM range(60000) AS r(i)"
)
MORE = "SELECT sum(CAST(cost AS INTEGER)) FROM costs WHERE CAST(cost AS INTEGER) > 9;"
WAIT = 150


def approves(form: ElicitRequestFormParams) -> ElicitResult:
    return says("undo" if "Take back" in form.message else "approve")


async def test_a_product_is_improved_from_an_editor(tmp_path: Path, serve: Any) -> None:
    home = make_home(tmp_path / "home", queries=QUERIES + MORE, more=COSTS)
    with serve(home) as (child, url):
        made = await analysed(f"{url}/mcp")
        await undone(f"{url}/mcp", made)
        assert child.stop() == 0


async def analysed(url: str) -> list[str]:
    """Analyse and answer in one call, as a client of before 2026-07-28."""
    told: list[tuple[float, str]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, message or ""))

    ask = callback(approves)
    async with Client(url, mode="legacy", elicitation_callback=ask, cache=None) as client:
        asked = {"product": "sales", "agents": ["schema"], "budget_seconds": 5}
        result = await client.call_tool(
            "analyse_product", {**asked, "wait_seconds": WAIT}, progress_callback=progress
        )
        assert not result.is_error, result.content
        found = result.structured_content
        assert found is not None and found["review"]["asked_person"]
        answered = found["review"]["answered"]
        assert answered and {a["outcome"] for a in answered} <= KEPT
        report = await client.read_resource(f"pillion://runs/{found['run']}/report")
        assert "<!doctype html>" in str(report.contents[0])
    steps = [done for done, _ in told]
    assert steps == sorted(set(steps))
    assert any("measure" in words for _, words in told)
    return [a["proposal"] for a in answered]


async def undone(url: str, made: list[str]) -> None:
    """Look around and take back, as a client of today."""
    async with Client(url, elicitation_callback=callback(approves), cache=None) as client:
        sql = "SELECT sum(amount) FROM sales"
        rows = await client.call_tool("query_product", {"product": "sales", "sql": sql})
        assert rows.structured_content and len(rows.structured_content["rows"]) == 1
        writing = {"product": "sales", "sql": "DROP TABLE sales"}
        assert "[forbidden]" in str((await client.call_tool("query_product", writing)).content)
        described = await client.call_tool("describe_product", {"product": "sales"})
        assert described.structured_content and described.structured_content["name"] == "sales"
        for name in ("dictionary", "contract"):
            read = await client.read_resource(f"pillion://products/sales/{name}")
            assert "sales" in str(read.contents[0])
        taken = await client.call_tool("undo_change", {"proposal_id": made[0]})
        assert taken.structured_content and taken.structured_content["recorded"], taken.content
        changes = await client.call_tool("list_changes", {"product": "sales"})
        assert changes.structured_content is not None
        states = {c["proposal_id"]: c["status"] for c in changes.structured_content["changes"]}
        assert states == {p: "undone" if p == made[0] else "applied" for p in made}
