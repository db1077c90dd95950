"""A client of the product server that survives the server's death.

Every tool is idempotent (applying is keyed by approval, measuring by its job), so a call
whose server died is repeated once on a new server.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    TextContent,
)

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
    TableProfile,
    WorkloadReport,
)
from mcp_servers.product.errors import PASSING, ServerEnded, ServerGone, ToolFailed
from tools.messages import CHANGE, AgentName, Candidate, Change, Message, Rehearsal, TableName

R = TypeVar("R", bound=Message)
Progress = ProgressFnT
"""Takes what is done, of how much as far as that is known, and a text."""
RESTARTS = 1
GOES_ON = "Nothing is half done; `pillion run` continues from here."


class _Connection:
    """One live client, entered and left by a task of its own (anyio scopes need that)."""

    def __init__(self, target: Callable[[], Any]) -> None:
        self._target = target
        self._stop = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        try:
            async with Client(self._target(), cache=None) as client:
                self._ready.set_result(client)
                await self._stop.wait()
        except (MCPError, OSError, ExceptionGroup, httpx2.HTTPError) as exc:
            if not self._ready.done():
                self._ready.set_exception(
                    ServerGone(f"The product server did not start: {_first_cause(exc)}")
                )

    async def client(self) -> Client:
        """Return the connected client; raises `ServerGone`."""
        return await asyncio.shield(self._ready)

    async def close(self) -> None:
        """Leave the connection; a spawned server ends with it."""
        self._stop.set()
        if not self._ready.done():
            # A server that never answers would be waited for.
            self._ready.set_exception(ServerGone("The connection to the product server was left."))
            self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()
        self._ready.exception()


def _first_cause(exc: BaseException) -> str:
    """Return the words of the first error inside nested groups."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return str(exc) or type(exc).__name__


class ProductClient:
    """Typed calls to one product server."""

    def __init__(self, target: Callable[[], Any]) -> None:
        self._target = target
        self._connection: _Connection | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> tuple[_Connection, Client]:
        async with self._lock:
            if self._connection is None:
                self._connection = _Connection(self._target)
            connection = self._connection
        try:
            return connection, await connection.client()
        except ServerGone:
            await self._drop(connection)
            raise

    async def _connected_for(self, tool: str, *, again: bool) -> tuple[_Connection, Client]:
        try:
            return await self._connected()
        except ServerGone as gone:
            if not again:
                raise
            told = f"The product server ended during {tool} and did not come back. {GOES_ON}"
            raise ServerEnded(told) from gone

    async def _drop(self, connection: _Connection) -> None:
        async with self._lock:
            if self._connection is connection:
                self._connection = None
        await connection.close()

    async def _call(
        self,
        tool: str,
        result: type[R],
        arguments: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> R:
        # Not `Client.call_tool`: it checks each tool's schema, and the answer against it, for half
        # of what a run costs this process; the message it has to be is checked below.
        asked = CallToolRequest(
            params=CallToolRequestParams(name=tool, arguments=dict(arguments or {}))
        )
        for attempt in range(RESTARTS + 1):
            connection, client = await self._connected_for(tool, again=attempt > 0)
            try:
                answer = await client.session.send_request(
                    asked, CallToolResult, progress_callback=progress
                )
            except MCPError as exc:
                if exc.error.code != CONNECTION_CLOSED:
                    raise ToolFailed("internal", str(exc)) from exc
                await self._drop(connection)
                if attempt == RESTARTS:
                    raise ServerEnded(
                        f"The product server ended during {tool}, twice. {GOES_ON}"
                    ) from exc
                continue
            if answer.is_error:
                text = "".join(c.text for c in answer.content if isinstance(c, TextContent))
                raise ToolFailed.parse(text)
            return result.model_validate(answer.structured_content)
        raise AssertionError("unreachable")

    async def describe_product(self) -> ProductDescription:
        """Return tables, columns, size and contract state."""
        return await self._call("describe_product", ProductDescription)

    async def read_workload(self, limit: int = 100) -> WorkloadReport:
        """Return the heaviest query patterns."""
        return await self._call("read_workload", WorkloadReport, {"limit": limit})

    async def profile_table(self, table: TableName) -> TableProfile:
        """Return a table's columns in counts and classes."""
        arguments = {"table": table.model_dump(mode="json")}
        return await self._call("profile_table", TableProfile, arguments)

    async def run_query(self, sql: str, max_rows: int = 1000) -> QueryResult:
        """Run one read-only query."""
        return await self._call("run_query", QueryResult, {"sql": sql, "max_rows": max_rows})

    async def find_candidates(self, agent: AgentName, progress: Progress | None = None) -> Found:
        """Return the ideas of one agent."""
        return await self._call("find_candidates", Found, {"agent": agent}, progress)

    async def measure_candidates(
        self,
        candidates: tuple[Candidate, ...],
        limits: MeasureLimits,
        progress: Progress | None = None,
    ) -> Measured:
        """Measure candidates on a shadow copy, as far as the budget goes."""
        arguments = {
            "candidates": [c.model_dump(mode="json") for c in candidates],
            "limits": limits.model_dump(mode="json"),
        }
        return await self._call("measure_candidates", Measured, arguments, progress)

    async def check_change(self, change: Change) -> ChangeCheck:
        """Judge one change against contract and engine."""
        body = {"change": CHANGE.dump_python(change, mode="json")}
        return await self._call("check_change", ChangeCheck, body)

    async def rehearse_change(self, change: Change, progress: Progress | None = None) -> Rehearsal:
        """Apply and undo one change on a shadow copy."""
        body = {"change": CHANGE.dump_python(change, mode="json")}
        return await self._call("rehearse_change", Rehearsal, body, progress)

    async def apply_change(
        self, request: ApplyRequest, progress: Progress | None = None
    ) -> Applied:
        """Apply one approved change; the same approval twice is applied once."""
        body = request.model_dump(mode="json")
        try:
            return await self._call("apply_change", Applied, body, progress)
        except ToolFailed as failure:
            return await self._committed(
                failure,
                lambda made: (
                    made.proposal_id == request.proposal_id
                    and made.status == "applied"
                    and request.approval in (None, made.approval)
                ),
            )

    async def verify_change(
        self, proposal_id: str, progress: Progress | None = None, *, floor: float = 1.0
    ) -> LiveCheck:
        """Time the change's queries on live, as far as it takes to tell on which side of `floor`
        before / after is.
        """
        arguments = {"proposal_id": proposal_id, "floor": floor}
        return await self._call("verify_change", LiveCheck, arguments, progress)

    async def undo_change(
        self, proposal_id: str, progress: Progress | None = None, *, rolled_back: bool = False
    ) -> Applied:
        """Undo one change; twice is once."""
        arguments = {"proposal_id": proposal_id, "rolled_back": rolled_back}
        try:
            return await self._call("undo_change", Applied, arguments, progress)
        except ToolFailed as failure:
            return await self._committed(
                failure, lambda made: made.proposal_id == proposal_id and made.status != "applied"
            )

    async def _committed(self, failure: ToolFailed, is_it: Callable[[Applied], bool]) -> Applied:
        """Return the change if it was committed all the same, else raise what the tool said.

        An engine that gives up after its commit, as in a checkpoint, fails a call that is done.
        """
        if failure.code in PASSING:
            raise failure
        for made in (await self.list_changes()).changes:
            if is_it(made):
                return made
        raise failure

    async def list_changes(self) -> Changes:
        """Return every change made here."""
        return await self._call("list_changes", Changes)


def stdio_target(descriptor: Path) -> Callable[[], Any]:
    """Return how to start a product server as a child that ends with this process."""
    inherited = {
        k: v for k, v in os.environ.items() if k.startswith(("PILLION_", "OTEL_", "COVERAGE_"))
    }
    # -P: what lies in the working folder is no module of ours, whatever it is called.
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "mcp_servers.product", "stdio", "--descriptor", str(descriptor)],
        env={**inherited, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    # A child needs a real stream, whatever stands in for standard error in this process.
    return lambda: stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr)


def http_target(url: str, token: str) -> Callable[[], Any]:
    """Return how to reach a running product server over streamable HTTP."""

    def target() -> Any:
        # It listens on this machine: a proxy of the environment would see token and data.
        http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=None, trust_env=False
        )
        return streamable_http_client(url, http_client=http)

    return target


@asynccontextmanager
async def connect(target: Callable[[], Any]) -> AsyncIterator[ProductClient]:
    """Open a client for the length of a block."""
    client = ProductClient(target)
    try:
        yield client
    finally:
        await client.close()
