"""From standard streams to the service of a home, message by message.

An editor starts one `pillion mcp` for each of its windows; the home has one service. Nothing of
the protocol is decided here: each message is a request to the service's `/mcp`, so both ways in
are one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from api.presence import Serving
from graph.errors import GraphError

LOG = logging.getLogger("pillion.mcp")
SESSION = "mcp-session-id"
INITIALIZED = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
CUT_OFF = (
    "The service stopped while it worked on this. What was begun goes on when it is back: look with"
    " status or follow_run before you ask again."
)
Reach = Callable[[], Awaitable[Serving]]
"""Returns the service of the home, started if need be; raises `GraphError`."""


@dataclass
class Bridge:
    """One client at the service, across the service's restarts."""

    reach: Reach
    key: str
    """Shown to the service; without one, what the service announced to the home's owner."""
    write: Callable[[SessionMessage], Awaitable[None]]
    http: httpx2.AsyncClient
    _opening: JSONRPCRequest | None = None
    """How an older client opened its session, to open it again after a restart."""
    _version: str = ""
    _session: str = ""
    _renewing: anyio.Lock = field(default_factory=anyio.Lock)
    _modern: dict[RequestId, anyio.CancelScope] = field(default_factory=dict)

    async def run(self, incoming: Any) -> None:
        """Carry messages until standard input ends."""
        async with anyio.create_task_group() as tasks:
            async for item in incoming:
                if isinstance(item, Exception):
                    await self._fail(None, PARSE_ERROR, "Not a JSON-RPC message.")
                    continue
                message = item.message
                if isinstance(message, JSONRPCRequest) and message.method != "initialize":
                    tasks.start_soon(self._carry, message)
                elif not self._ends_modern(message):
                    # In order: what comes next may rest on it.
                    await self._carry(message)
            tasks.cancel_scope.cancel()

    def _ends_modern(self, message: JSONRPCMessage) -> bool:
        """Leave the request that a client cancels; since 2026-07-28 that is how it is told."""
        if getattr(message, "method", "") != "notifications/cancelled":
            return False
        assert isinstance(message, JSONRPCNotification)
        scope = self._modern.get((message.params or {}).get("requestId", ""))
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def _carry(self, message: JSONRPCMessage) -> None:
        request_id = message.id if isinstance(message, JSONRPCRequest) else None
        modern = _version_of(message)
        with anyio.CancelScope() as scope:
            if request_id is not None and modern:
                self._modern[request_id] = scope
            try:
                await self._send(message, modern)
            except GraphError as exc:
                await self._fail(request_id, INTERNAL_ERROR, str(exc))
            except httpx2.HTTPError as exc:
                LOG.info("cut off: %s", exc)
                await self._fail(request_id, INTERNAL_ERROR, CUT_OFF)
            finally:
                if request_id is not None:
                    self._modern.pop(request_id, None)

    async def _send(self, message: JSONRPCMessage, modern: str) -> None:
        """Send a message, again when the service is another one than the session was opened at."""
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._opening, self._session, self._version = message, "", ""
        session = self._session
        try:
            if await self._post(message, modern):
                return
        except httpx2.ConnectError as exc:
            LOG.info("the service is gone: %s", exc)
        if self._opening is not None and message is not self._opening and not modern:
            await self._renew(session)
        if not await self._post(message, modern):
            raise GraphError("The service does not know this session; start it anew.")

    async def _renew(self, lost: str) -> None:
        """Open the client's session again at a service that does not know it."""
        async with self._renewing:
            if self._session == lost and self._opening is not None:
                self._session = ""
                await self._post(self._opening, "", quiet=True)
                await self._post(INITIALIZED, "", quiet=True)

    async def _post(self, message: JSONRPCMessage, modern: str, *, quiet: bool = False) -> bool:
        """Send a message and hand on what comes back; returns False where its session is lost."""
        serving = await self.reach()
        request = self.http.stream(
            "POST",
            f"{serving.url}/mcp",
            json=message.model_dump(by_alias=True, mode="json", exclude_unset=True),
            headers=self._headers(message, modern, self.key or serving.token),
        )
        async with request as response:
            if response.status_code == 404 and self._session and not modern:
                return False
            self._session = response.headers.get(SESSION, self._session)
            answered = False
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                async for event in httpx2.EventSource(response):
                    if event.data:
                        answered |= await self._hand_on(message, event.data, quiet=quiet)
            elif isinstance(message, JSONRPCRequest):
                answered = await self._hand_on(message, await response.aread(), quiet=quiet)
        if isinstance(message, JSONRPCRequest) and not answered:
            # A service that stops ends its answers in good order, without what was asked for.
            raise httpx2.ReadError("the answer ended before it was given")
        return True

    def _headers(self, message: JSONRPCMessage, modern: str, key: str) -> dict[str, str]:
        headers = {
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {key}",
        }
        if modern and isinstance(message, JSONRPCRequest):
            headers[MCP_METHOD_HEADER] = message.method
            name = (message.params or {}).get(NAME_BEARING_METHODS.get(message.method, ""))
            if isinstance(name, str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
        if version := modern or self._version:
            headers[MCP_PROTOCOL_VERSION_HEADER] = version
        if self._session and not modern:
            headers[SESSION] = self._session
        return headers

    async def _hand_on(self, asked: JSONRPCMessage, data: str | bytes, *, quiet: bool) -> bool:
        """Write what the service said to the client; returns whether it answers what was asked."""
        request_id = asked.id if isinstance(asked, JSONRPCRequest) else None
        try:
            said = jsonrpc_message_adapter.validate_json(data, by_name=False)
        except ValidationError:
            # A refusal before the protocol: no key, a wrong role, too many requests.
            await self._fail(request_id, INTERNAL_ERROR, _refusal(data))
            return True
        if isinstance(said, JSONRPCError) and said.id is None:
            said = said.model_copy(update={"id": request_id})
        if asked is self._opening and isinstance(said, JSONRPCResponse):
            self._version = str(said.result.get("protocolVersion", ""))
        if not quiet:
            await self.write(SessionMessage(said))
        return isinstance(said, JSONRPCResponse | JSONRPCError) and said.id == request_id

    async def _fail(self, request_id: RequestId | None, code: int, text: str) -> None:
        if request_id is None and code != PARSE_ERROR:
            return
        error = JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=text))
        await self.write(SessionMessage(error))


def _version_of(message: JSONRPCMessage) -> str:
    """Return the version that a message carries itself, as they do since 2026-07-28."""
    params = message.params if isinstance(message, JSONRPCRequest | JSONRPCNotification) else None
    meta = (params or {}).get("_meta")
    found = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    return found if isinstance(found, str) else ""


def _refusal(data: str | bytes) -> str:
    """Return the words of a problem document."""
    try:
        body = httpx2.Response(200, content=data).json()
        return f"[{body['title']}] {body['detail']}"
    except (ValueError, KeyError, TypeError):
        return "The service gave no answer that is one."
