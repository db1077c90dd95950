"""The product server's tools, in memory and once over stdio.

`tools.json` holds every tool's schema as clients see it. After a wanted change write it anew:
`PILLION_UPDATE_SNAPSHOTS=1 pytest tests/mcp_servers/product/test_server.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_servers.product.client import ProductClient, connect, stdio_target
from mcp_servers.product.contract import ApplyRequest, MeasureLimits
from mcp_servers.product.errors import ToolFailed
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.products import QUERIES, make_product
from tools.messages import (
    AddCheck,
    AddNotNull,
    Candidate,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    DropColumn,
    RewriteQuery,
    TableName,
    change_id,
)
from tools.product.importers import import_path

TOOLS = Path(__file__).parent / "tools.json"
PREFIX = "SELECT count(*) AS n FROM sales WHERE substr(region, 1, 2) = 'r1';"
SALES = TableName(name="sales")
RETYPE = ChangeType(
    table=SALES, column="amount", from_type="VARCHAR", to_type="INTEGER",
    forward='CAST("amount" AS INTEGER)', backward='CAST("amount" AS VARCHAR)',
)  # fmt: skip
INDEX = CreateIndex(table=SALES, columns=("id",), name="by_id")
HOSTILE: dict[str, Change] = {
    "subquery": RETYPE.model_copy(update={"forward": "(SELECT max(region) FROM sales)"}),
    "file": RETYPE.model_copy(
        update={"backward": "amount || (SELECT content FROM read_text('/etc/passwd'))"}
    ),
    "environment": RETYPE.model_copy(update={"forward": "getenv('HOME')"}),
    "second statement": RETYPE.model_copy(update={"to_type": "INTEGER; DROP TABLE sales"}),
    "check": AddCheck(table=SALES, column="id", expression="id IN (SELECT id FROM sales)"),
    "way out": AddCheck(table=SALES, column="id", expression="true), x INT, CHECK (true"),
    "summary": CreateSummary(
        table=SALES, summary=TableName(name="s"), dimensions=(), aggregates=(),
        rewrites=(("SELECT 1", "INSERT INTO sales SELECT 1"),),
    ),
    "rewrite": RewriteQuery(
        table=SALES, fingerprint="f", rule="year_number", original="SELECT 1",
        rewritten="DROP TABLE sales",
    ),
    "rule": RewriteQuery(
        table=SALES, fingerprint="f", rule="__class__", original="SELECT 1", rewritten="SELECT 1"
    ),
}  # fmt: skip
OUTDATED: dict[str, Change] = {
    "no table": AddNotNull(table=TableName(name="nowhere"), column="id"),
    "Pillion's own table": AddNotNull(
        table=TableName(schema_name="pillion", name="changes"), column="id"
    ),
    "no column": AddNotNull(table=SALES, column="nothing"),
    "other type": RETYPE.model_copy(update={"from_type": "DOUBLE"}),
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProductService]:
    descriptor = make_product(tmp_path, tmp_path / "home", rows=2000, queries=QUERIES + PREFIX)
    service = ProductService(descriptor, ProductSettings())
    yield service
    service.close()


@pytest.fixture
async def client(service: ProductService) -> AsyncIterator[ProductClient]:
    server = build_server(service)
    async with connect(lambda: server) as client:
        yield client


def idea(change: Change) -> Candidate:
    return Candidate(id=change_id("sales", change), agent="schema", change=change, reason="test")


async def request(client: ProductClient, change: Change, **fields: Any) -> ApplyRequest:
    check = await client.check_change(change)
    values = {
        "proposal_id": change_id("sales", change), "change": change,
        "schema_hash": check.schema_hash,
    }  # fmt: skip
    return ApplyRequest.model_validate(values | fields)


async def contents(client: ProductClient) -> Any:
    rows = await client.run_query("SELECT count(*), bit_xor(hash(s)) FROM sales s")
    return rows.rows, (await client.describe_product()).schema_hash, await client.list_changes()


async def test_the_tools_are_the_published_ones(service: ProductService) -> None:
    async with Client(build_server(service)) as client:
        tools = (await client.list_tools()).tools
    shown = [t.model_dump(mode="json", by_alias=True, exclude_none=True) for t in tools]
    text = json.dumps(shown, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("PILLION_UPDATE_SNAPSHOTS"):
        TOOLS.write_text(text)
    assert text == TOOLS.read_text()


async def test_every_tool_describes_itself_and_its_result(service: ProductService) -> None:
    async with Client(build_server(service)) as client:
        tools = (await client.list_tools()).tools
    assert len(tools) == 12
    for tool in tools:
        assert tool.description
        assert tool.output_schema
        assert tool.annotations
        assert tool.annotations.read_only_hint != (tool.name in ("apply_change", "undo_change"))


async def test_a_product_is_described_with_its_workload(client: ProductClient) -> None:
    product = await client.describe_product()
    assert (product.name, product.tables[0].rows, product.findings) == ("sales", 2000, ())
    assert [c.name for c in product.tables[0].columns] == ["id", "amount", "region", "status"]
    report = await client.read_workload(limit=2)
    assert (len(report.workload.patterns), report.patterns_total) == (2, 4)
    assert report.unread.total == 0


async def test_rows_of_a_log_that_could_not_be_read_are_told_with_the_workload(
    service: ProductService, client: ProductClient, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("sql,ms\nSELECT 1,3\n,4\n")
    import_path(log, service.owner.store)
    unread = (await client.read_workload()).unread
    assert (unread.total, [str(r) for r in unread.first]) == (1, [f"{log}:3: it holds no SQL"])


async def test_a_table_is_profiled_without_its_values(client: ProductClient) -> None:
    found = await client.profile_table(TableName(name="SALES"))
    assert (found.rows, found.looked_at) == (2000, 2000)
    assert {c.name: c.distinct for c in found.columns}["region"] == 7
    with pytest.raises(ToolFailed) as failed:
        await client.profile_table(TableName(name="nowhere"))
    assert failed.value.code == "unknown_table"


async def test_a_query_returns_typed_rows_up_to_its_limit(client: ProductClient) -> None:
    found = await client.run_query("SELECT id, [id] AS l FROM sales ORDER BY id", max_rows=2)
    assert (found.columns, found.types) == (("id", "l"), ("BIGINT", "BIGINT[]"))
    assert (found.rows, found.truncated) == (((0, [0]), (1, [1])), True)


@pytest.mark.parametrize(("sql", "code"), [
    ("DROP TABLE sales", "forbidden"), ("SELEC 1", "parse_failed"),
    ("FROM nowhere", "query_failed"), ("FROM 'x.csv'", "forbidden"),
    ("SELECT \ud7ff", "query_failed"), ("", "parse_failed"),
])  # fmt: skip
async def test_a_refused_query_is_a_coded_error(sql: str, code: str, client: ProductClient) -> None:
    with pytest.raises(ToolFailed) as failed:
        await client.run_query(sql)
    assert failed.value.code == code
    assert "Traceback" not in failed.value.message


@pytest.mark.parametrize(("tool", "arguments"), [
    ("run_query", {"sql": "SELECT 1", "max_rows": 0}),
    ("run_query", {"sql": ["SELECT 1"]}),
    ("run_query", {}),
    ("read_workload", {"limit": -1}),
    ("find_candidates", {"agent": "root"}),
    ("check_change", {"change": {"kind": "drop_database"}}),
    ("check_change", {"change": {"kind": "drop_table", "table": {"name": "sales"}, "x": 1}}),
    ("check_change", {"change": {"kind": "create_index", "table": "sales"}}),
    ("apply_change", {"proposal_id": "", "change": INDEX.model_dump(), "schema_hash": ""}),
    ("measure_candidates", {"candidates": [], "limits": {"budget_seconds": -1}}),
    ("drop_everything", {}),
])  # fmt: skip
async def test_arguments_of_another_kind_are_refused(
    tool: str, arguments: dict[str, Any], service: ProductService
) -> None:
    async with Client(build_server(service)) as client:
        answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    assert "Traceback" not in str(answer.content)


@pytest.mark.parametrize("agent", ["schema", "query"])
async def test_ideas_come_typed_and_can_be_checked(agent: Any, client: ProductClient) -> None:
    found = await client.find_candidates(agent)
    assert found.candidates
    check = await client.check_change(found.candidates[0].change)
    assert check.verdict.compatible
    assert check.undo
    assert bool(check.statements) == (agent == "schema")


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_sql_in_a_change_is_refused_by_every_tool(
    name: str, client: ProductClient
) -> None:
    change = HOSTILE[name]
    before = await contents(client)
    description = await client.describe_product()
    asked = ApplyRequest(proposal_id="p1", change=change, schema_hash=description.schema_hash)
    for call in (client.check_change(change), client.apply_change(asked)):
        with pytest.raises(ToolFailed) as failed:
            await call
        assert failed.value.code in ("refused", "schema_drift")
    assert await contents(client) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["file", "second statement", "rewrite"])
async def test_hostile_sql_does_not_run_on_the_shadow_either(
    name: str, client: ProductClient
) -> None:
    measured = await client.measure_candidates((idea(HOSTILE[name]),), MeasureLimits())
    assert [(t.status, t.evidence) for t in measured.trials] == [("refused", None)]
    assert "may not run" in measured.trials[0].reason
    with pytest.raises(ToolFailed, match="may not run"):
        await client.rehearse_change(HOSTILE[name])


@pytest.mark.parametrize("name", OUTDATED)
async def test_a_change_of_what_is_not_there_is_drift(name: str, client: ProductClient) -> None:
    with pytest.raises(ToolFailed) as failed:
        await client.check_change(OUTDATED[name])
    assert failed.value.code == "schema_drift"


async def test_measuring_reports_progress_and_returns_typed_trials(client: ProductClient) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))

    measured = await client.measure_candidates(
        (idea(RETYPE), idea(INDEX)), MeasureLimits(budget_seconds=20), progress
    )
    assert {t.candidate.change for t in measured.trials} == {RETYPE, INDEX}
    assert {t.status for t in measured.trials} <= {"accepted", "rejected"}
    assert len(seen) > 2
    assert all(message for _, _, message in seen)


async def test_a_change_is_rehearsed(client: ProductClient) -> None:
    rehearsal = await client.rehearse_change(RETYPE)
    assert rehearsal.ok


async def test_a_change_is_applied_once_and_undone_once(client: ProductClient) -> None:
    before = await contents(client)
    asked = await request(client, RETYPE)
    first, again = [await client.apply_change(asked) for _ in range(2)]
    assert (first, first.status) == (again, "applied")
    types = (await client.run_query("SELECT amount FROM sales LIMIT 0")).types
    assert types == ("INTEGER",)
    undone = [await client.undo_change(asked.proposal_id) for _ in range(2)]
    assert (undone[0], undone[0].status) == (undone[1], "undone")
    assert (await contents(client))[:2] == before[:2]


async def test_nothing_is_applied_on_another_schema_than_was_measured(
    client: ProductClient,
) -> None:
    asked = await request(client, RETYPE, schema_hash="0" * 16)
    before = await contents(client)
    with pytest.raises(ToolFailed) as failed:
        await client.apply_change(asked)
    assert failed.value.code == "schema_drift"
    assert await contents(client) == before


async def test_a_live_check_times_the_queries_of_a_change(client: ProductClient) -> None:
    texts = ("SELECT count(*) FROM sales WHERE amount = '7'", "DROP TABLE sales", "FROM nowhere")
    asked = await request(client, INDEX, queries=texts)
    await client.apply_change(asked)
    check = await client.verify_change(asked.proposal_id)
    assert [q.sql for q in check.queries] == [texts[0]]
    assert check.ratio is not None


async def test_verifying_an_unknown_change_says_that_nothing_was_timed(
    client: ProductClient,
) -> None:
    check = await client.verify_change("../../etc/passwd")
    assert (check.ratio, check.queries) == (None, ())


async def test_undoing_an_unknown_change_is_a_coded_error(client: ProductClient) -> None:
    with pytest.raises(ToolFailed) as failed:
        await client.undo_change("p0")
    assert failed.value.code == "unknown_change"


@pytest.mark.parametrize("name", ['we"ird', "'; DROP TABLE sales --", "é\U0001f980", "x" * 200])
async def test_names_in_a_change_are_names_only(name: str, client: ProductClient) -> None:
    asked = await request(client, INDEX.model_copy(update={"name": name}))
    await client.apply_change(asked)
    assert (await client.describe_product()).tables[0].indexes == (name,)


async def test_a_promised_column_is_not_dropped_silently(client: ProductClient) -> None:
    check = await client.check_change(DropColumn(table=SALES, column="status", type="VARCHAR"))
    assert not check.verdict.compatible


async def test_the_same_tools_answer_over_stdio(service: ProductService) -> None:
    descriptor = service.home / "product.odps.yaml"
    async with connect(stdio_target(descriptor)) as client:
        assert (await client.run_query("SELECT count(*) FROM sales")).rows == ((2000,),)
        with pytest.raises(ToolFailed) as failed:
            await client.run_query("DROP TABLE sales")
    assert failed.value.code == "forbidden"
