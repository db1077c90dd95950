"""The product server's MCP tools, thin over the service."""

from __future__ import annotations

import asyncio
import base64
import datetime
import decimal
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import AwareDatetime, Field

from mcp_servers.product.contract import (
    Applied,
    ApplyRequest,
    ChangeCheck,
    Changes,
    Found,
    LiveCheck,
    Measured,
    MeasureLimits,
    ProductDescription,
    QueryResult,
    QueryWeight,
    TableProfile,
    WorkloadReport,
)
from mcp_servers.product.errors import ToolFailed
from mcp_servers.product.holding import UNEXPECTED
from mcp_servers.product.service import (
    QUERY_KINDS,
    SCHEMA_KINDS,
    ProductService,
)
from mcp_servers.product.settings import ProductSettings
from tools.failpoints import crash_point
from tools.messages import AgentName, Candidate, Change, Rehearsal, TableName
from tools.product.deadlines import Leave
from tools.product.errors import MeasureFailed, ProductError
from tools.product.owner import Limits, Rows
from tools.product.steps import Progress

INSTRUCTIONS = (
    "One DuckDB data product. Describe it, read its workload, run read-only queries, find and "
    "measure improvements on a shadow copy. Applying and undoing need a person's approval first."
)
READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITE = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_DESCRIBED: dict[str, Tool] = {}
"""Each tool with its schemas, which are the same for every product and take long to make."""
LAST_WORDS = 1.0
"""Seconds in which a client may take what it was not told yet when the work is done."""


async def _blocking(service: ProductService, tool: str, call: Callable[[], T]) -> T:
    """Run blocking work in a thread and turn its errors into coded tool errors."""
    crash_point(f"server.{tool}.before")
    try:
        result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    except (ProductError, *UNEXPECTED) as exc:
        error = service.told(exc)
        raise ToolError(ToolFailed.encode(error.code, str(error))) from exc
    crash_point(f"server.{tool}.after")
    return result


async def _told(
    service: ProductService,
    tool: str,
    ctx: Context,
    call: Callable[[Progress], T],
    *,
    stops: bool = False,
) -> T:
    """Run blocking work that tells its progress, in order and before its result.

    The work never waits for the client, whatever locks it holds, and no client can stop it by not
    listening. With `stops` it ends, and tidies up, when nobody waits for its result any more.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[tuple[float, float, str] | None] = asyncio.Queue()
    over = False

    def tell(done: float, total: float, text: str) -> None:
        if stops and over:
            raise MeasureFailed("The measurement was stopped.")
        # The loop is closed when the server ends under the work.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told.put_nowait, (done, total, text))

    async def send() -> None:
        while (words := await told.get()) is not None:
            await ctx.report_progress(*words)

    sending = asyncio.create_task(send())
    try:
        result = await _blocking(service, tool, partial(call, tell))
        told.put_nowait(None)
        await asyncio.wait((sending,), timeout=LAST_WORDS)
        return result
    finally:
        over = True
        sending.cancel()


def build_server(service: ProductService) -> MCPServer:
    """Return the MCP server of one product."""
    tools: list[Tool] = []
    _add_reading_tools(tools, service)
    _add_measuring_tools(tools, service)
    _add_changing_tools(tools, service)
    name = f"pillion-product-{service.descriptor.name}"
    return MCPServer(name, instructions=INSTRUCTIONS, tools=tools)


def _tool(tools: list[Tool], annotations: ToolAnnotations) -> Callable[[F], F]:
    """Return what adds a function as a tool."""

    def add(function: F) -> F:
        name = function.__name__
        if name not in _DESCRIBED:
            made = Tool.from_function(function, annotations=annotations)
            _DESCRIBED[name] = made.model_copy(update={"fn": _unserved})
        tools.append(_DESCRIBED[name].model_copy(update={"fn": function}))
        return function

    return add


def _unserved() -> None:
    """Stand for what a server puts in its place, so that no product stays open for its schema."""
    raise LookupError("This tool belongs to no server.")


def _add_reading_tools(tools: list[Tool], service: ProductService) -> None:
    @_tool(tools, READ)
    async def describe_product() -> ProductDescription:
        """Describe the product: tables, columns, sizes, contract, and where the two disagree."""
        return await _blocking(service, "describe_product", service.describe)

    @_tool(tools, READ)
    async def read_workload(
        limit: Annotated[int, Field(ge=1, le=10_000, description="Most patterns to return.")] = 100,
    ) -> WorkloadReport:
        """Return the heaviest query patterns: runs, times, tables and column roles."""
        return await _blocking(service, "read_workload", partial(_workload, service, limit))

    @_tool(tools, READ)
    async def profile_table(table: TableName) -> TableProfile:
        """Return a table's columns in counts and classes, of a sample where it is large.

        No value of any row is part of it.
        """
        return await _blocking(service, "profile_table", partial(service.profile, table))

    @_tool(tools, READ)
    async def run_query(
        sql: Annotated[str, Field(max_length=100_000, description="One SELECT statement.")],
        max_rows: Annotated[int, Field(ge=1, le=100_000, description="Most rows.")] = 1000,
    ) -> QueryResult:
        """Run one read-only query on the product's own tables, with a time and a row limit."""
        call = partial(_query, service, sql, limits_of(service.settings, max_rows))
        return await _blocking(service, "run_query", call)

    @_tool(tools, READ)
    async def check_change(change: Change) -> ChangeCheck:
        """Check one change against the data contract; say its risks and how undo would work."""
        return await _blocking(service, "check_change", partial(service.check, change))

    @_tool(tools, READ)
    async def list_changes() -> Changes:
        """List every change Pillion made to this product, with its state."""
        found = await _blocking(service, "list_changes", service.changes)
        return Changes(changes=found)


def _add_measuring_tools(tools: list[Tool], service: ProductService) -> None:
    @_tool(tools, READ)
    async def find_candidates(agent: AgentName, ctx: Context) -> Found:
        """Find ideas worth measuring: `schema` for structure, `query` for rewrites, summaries."""
        kinds = QUERY_KINDS if agent == "query" else SCHEMA_KINDS
        return await _told(service, "find_candidates", ctx, partial(service.find, kinds))

    @_tool(tools, READ)
    async def measure_candidates(
        candidates: tuple[Candidate, ...], limits: MeasureLimits, ctx: Context
    ) -> Measured:
        """Measure candidates on a shadow copy with the product's own queries, within a budget."""
        call = partial(service.measure, candidates, limits)
        return await _told(service, "measure_candidates", ctx, call, stops=True)

    @_tool(tools, READ)
    async def rehearse_change(change: Change, ctx: Context) -> Rehearsal:
        """Apply and undo one change on a shadow copy and compare schema and contents."""
        call = partial(service.rehearse, change)
        return await _told(service, "rehearse_change", ctx, call, stops=True)


def _add_changing_tools(tools: list[Tool], service: ProductService) -> None:
    @_tool(tools, WRITE)
    async def apply_change(  # noqa: PLR0913  each is an argument of the tool
        proposal_id: Annotated[str, Field(min_length=1, max_length=100)],
        change: Change,
        schema_hash: str,
        ctx: Context,
        queries: tuple[str, ...] = (),
        weights: tuple[QueryWeight, ...] = (),
        approval: Annotated[str | None, Field(min_length=1, max_length=200)] = None,
        approved_at: AwareDatetime | None = None,
    ) -> Applied:
        """Apply one approved change in one transaction; the same approval twice is applied once."""
        request = ApplyRequest(
            proposal_id=proposal_id, change=change, schema_hash=schema_hash, queries=queries,
            weights=weights, approval=approval, approved_at=approved_at,
        )  # fmt: skip
        return await _told(service, "apply_change", ctx, partial(service.apply, request))

    @_tool(tools, READ)
    async def verify_change(
        proposal_id: str,
        ctx: Context,
        floor: Annotated[
            float, Field(gt=0, description="Time on while before / after may be on either side.")
        ] = 1.0,
    ) -> LiveCheck:
        """Time an applied change's queries on live against the times taken just before it."""
        call = partial(service.verify, proposal_id, floor=floor)
        return await _told(service, "verify_change", ctx, call)

    @_tool(tools, WRITE)
    async def undo_change(proposal_id: str, ctx: Context, rolled_back: bool = False) -> Applied:
        """Undo one change in one transaction, also after new rows arrived; twice is once."""
        call = partial(service.undo, proposal_id, rolled_back=rolled_back)
        return await _told(service, "undo_change", ctx, call)


def _workload(service: ProductService, limit: int) -> WorkloadReport:
    workload = service.workload()
    cut = workload.model_copy(update={"patterns": workload.patterns[:limit]})
    unread = service.owner.store.unread()
    return WorkloadReport(workload=cut, patterns_total=len(workload.patterns), unread=unread)


def _query(service: ProductService, sql: str, limits: Limits) -> QueryResult:
    return as_result(service.owner.query(sql, "mcp", limits))


def limits_of(settings: ProductSettings, rows: int | None, left: Leave | None = None) -> Limits:
    """Return what one query may cost that asks for so many rows, until `left` is set."""
    most = min(rows or settings.max_rows, settings.max_rows)
    return Limits(settings.query_timeout, most, settings.max_bytes, left)


_AS_IS = frozenset({type(None), bool, int, str})
"""Types of nearly all values of an answer, which stay as they are."""


def as_result(rows: Rows) -> QueryResult:
    """Return rows as JSON-plain values."""
    return QueryResult(
        columns=rows.columns,
        types=rows.types,
        rows=tuple(tuple(v if type(v) in _AS_IS else plain(v) for v in row) for row in rows.rows),
        truncated=rows.truncated,
        ms=rows.ms,
    )


def plain(value: Any) -> Any:
    """Return a DuckDB value as JSON can carry it; exact numbers become text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [plain(v) for v in value]
        case dict():
            return {str(k): plain(v) for k, v in value.items()}
        case (
            decimal.Decimal() | uuid.UUID() | datetime.date() | datetime.time()
            | datetime.timedelta()
        ):  # fmt: skip
            return str(value)
    return str(value)
