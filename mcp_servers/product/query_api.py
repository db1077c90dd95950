"""The product over HTTP: MCP at /mcp and a small query API for consumers, behind tokens.

Who only asks gets a token that changes nothing: the tools at /mcp apply and undo.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pyarrow as pa
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_servers.problem import problem
from mcp_servers.product.holding import UNEXPECTED
from mcp_servers.product.server import as_result, limits_of
from mcp_servers.product.service import ProductService
from tools.product.deadlines import Leave
from tools.product.errors import ParseFailed, ProductError
from tools.product.owner import Limits
from tools.product.workload_store import CALLER_LENGTH

ARROW = "application/vnd.apache.arrow.stream"
QUERY = "/query"
SEND = "Send `Authorization: Bearer TOKEN`; `pillion serve` shows where it is."
ASKS = "This token asks at /query only; the tools at /mcp take the other one."
AT_ONCE = 40
"""Most queries that run at once; the tools have threads of their own."""
MAX_BODY = 1_000_000
MAX_MCP_BODY = 64_000_000
"""Candidates travel with the texts of their queries."""
STATUS = {
    "forbidden": 403, "parse_failed": 400, "query_failed": 422, "database_locked": 503,
    "disk_full": 507,
}  # fmt: skip
TITLES = {404: "not_found", 405: "method_not_allowed"}


def build_app(
    service: ProductService,
    server: MCPServer,
    token: str,
    query_token: str = "",
    *,
    ready: Callable[[], bool] = lambda: True,
) -> Starlette:
    """Return the ASGI app; every route but /health needs `Authorization: Bearer TOKEN`.

    `query_token` opens /query alone. /health answers 503 until it is `ready`.
    """
    mcp_app = server.streamable_http_app(max_request_body_size=MAX_MCP_BODY)

    asking = anyio.CapacityLimiter(AT_ONCE)

    async def query(request: Request) -> Response:
        return await answer(service, request, asking)

    async def health(request: Request) -> Response:
        status, code = ("ok", 200) if ready() else ("starting", 503)
        return JSONResponse({"status": status, "product": service.descriptor.name}, code)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield
        service.close()

    routes = [
        Route("/health", health),
        Route(QUERY, query, methods=["POST"]),
        *mcp_app.routes,
    ]
    handlers = {HTTPException: _refused}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.add_middleware(BearerToken, token=token, query_token=query_token)
    return app


async def _refused(request: Request, exc: Exception) -> Response:
    """Answer an unknown route or method as a problem, too."""
    if not isinstance(exc, HTTPException):
        raise exc
    detail = f"{request.method} {request.url.path}: {exc.detail}. Send POST /query."
    return problem(exc.status_code, TITLES.get(exc.status_code, "refused"), detail)


class TooLarge(Exception):
    """The request's body is larger than a statement can be."""


class BearerToken:
    """Refuses every request without its token, in constant time."""

    def __init__(self, app: Any, token: str, query_token: str) -> None:
        self._app = app
        self._all = f"Bearer {token}".encode()
        self._query = f"Bearer {query_token}".encode() if query_token else self._all

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on when it may."""
        if scope["type"] == "http" and scope["path"] != "/health":
            given = dict(scope["headers"]).get(b"authorization", b"")
            asks = hmac.compare_digest(given, self._query)
            if not hmac.compare_digest(given, self._all) and not (asks and scope["path"] == QUERY):
                refused = (403, "forbidden", ASKS) if asks else (401, "unauthorized", SEND)
                await problem(*refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def answer(
    service: ProductService, request: Request, asking: anyio.CapacityLimiter
) -> Response:
    """Answer one SQL query as JSON, or as an Arrow stream when the client accepts one."""
    left = Leave()
    try:
        sql, rows = await _read(request)
        limits = limits_of(service.settings, rows, left)
        caller = request.headers.get("x-pillion-caller", "http")[:CALLER_LENGTH]
        form = _as_arrow if ARROW in request.headers.get("accept", "") else _as_json
        call = partial(form, service, sql, caller, limits)
        return await _waited_for(request, left, call, asking)
    except TooLarge:
        return problem(413, "too_large", f"The request is larger than {MAX_BODY} bytes.")
    except (ProductError, *UNEXPECTED) as exc:
        error = service.told(exc)
        return problem(STATUS.get(error.code, 500), error.code, str(error))


def _as_arrow(service: ProductService, sql: str, caller: str, limits: Limits) -> Response:
    found = service.owner.query_arrow(sql, caller, limits)
    headers = {"x-pillion-truncated": str(found.truncated).lower()}
    return Response(_stream(found.table), media_type=ARROW, headers=headers)


def _as_json(service: ProductService, sql: str, caller: str, limits: Limits) -> Response:
    body = as_result(service.owner.query(sql, caller, limits)).model_dump_json()
    return Response(body, media_type="application/json")


async def _waited_for(
    request: Request,
    left: Leave,
    call: Callable[[], Response],
    asking: anyio.CapacityLimiter,
) -> Response:
    """Answer in a thread, and set `left` when the client leaves before that is done.

    A large answer takes long to write, too, and a database to open: nobody else waits for it.
    """

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left.set()

    watching = asyncio.create_task(watch())
    try:
        return await anyio.to_thread.run_sync(call, limiter=asking)
    finally:
        watching.cancel()


async def _read(request: Request) -> tuple[str, int | None]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ParseFailed('The body is not JSON; send {"sql": "SELECT ..."}.') from exc
    sql = parsed.get("sql") if isinstance(parsed, dict) else None
    rows = parsed.get("max_rows") if isinstance(parsed, dict) else None
    if not isinstance(sql, str):
        raise ParseFailed('Send {"sql": "SELECT ...", "max_rows": 1000}; max_rows is optional.')
    if rows is not None and (type(rows) is not int or rows < 1):
        raise ParseFailed("max_rows is a whole number from 1; without it as many come as may.")
    return sql, rows


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
