"""The MCP server over HTTP, behind the same guard, keys and roles as every other route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from api.service.access import Caller, base_url
from api.service.problems import Refused
from api.service.service import Service
from api.service.streams import CHECK_SECONDS
from graph.engine.errors import Draining

PATH = "/mcp"


class Endpoint:
    """Finds out who calls, then hands on; a session belongs to the caller who opened it."""

    def __init__(self, service: Service, server: MCPServer) -> None:
        self._service = service
        server.streamable_http_app(
            streamable_http_path=PATH,
            # The guard has checked Host and Origin already, by the service's own settings.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self.sessions = server.session_manager
        self._app = AuthContextMiddleware(self.sessions.handle_request)
        self.route = Route(PATH, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the protocol."""
        access = self._service.access
        try:
            caller = await access.authenticate(Headers(scope=scope))
        except Refused as exc:
            if exc.status == 401:
                base = base_url(Request(scope))
                exc.headers["www-authenticate"] = access.challenge(exc, base, PATH)
            await exc.answer()(scope, receive, send)
            return
        who = f"{caller.principal.kind}:{caller.principal.name}"
        scope.setdefault("state", {}).update(caller=who, asking=caller)
        scope["route"] = self.route
        scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=who, scopes=[]))
        await self._while_good(scope, receive, send)

    async def _while_good(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on until the service closes, or the caller's key or token ends: streams have no end.

        What was begun by then ends; what was not is refused.
        """
        begun = whole = False

        async def watched(message: Message) -> None:
            nonlocal begun, whole
            await send(message)
            begun = True
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._leave, scope["state"]["asking"], tasks.cancel_scope)
            await self._app(scope, receive, watched)
            tasks.cancel_scope.cancel()
        if not begun:
            await self._gone().answer()(scope, receive, send)
        elif not whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _leave(self, caller: Caller, scope: anyio.CancelScope) -> None:
        while caller.still() and not self._service.closed.is_set():
            with anyio.move_on_after(CHECK_SECONDS):
                await self._service.closed.wait()
        scope.cancel()

    def _gone(self) -> Refused:
        if self._service.closed.is_set():
            return Refused(503, "draining", str(Draining()))
        return Refused(401, "unauthorized", "The key or token that was shown has ended.")


def add_endpoint(app: FastAPI, service: Service, server: MCPServer) -> None:
    """Serve an MCP server at `/mcp`; its sessions live as long as the application does."""
    endpoint = Endpoint(service, server)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with endpoint.sessions.run():
            yield

    app.router.lifespan_context = lifespan
    app.router.routes.append(endpoint.route)
