"""What no request gets past: host, origin, rate, size, depth and type, before any route runs."""

from __future__ import annotations

import asyncio
import re

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from api.service.problems import Refused
from api.service.rates import Rate
from api.service.settings import ServiceSettings

MAX_BODY = 1024 * 1024
MAX_DEPTH = 100
EXPOSED = (
    "Location", "Content-Location", "X-Request-Id", "X-Pagination-Total", "X-Pagination-Next",
    "Retry-After", "WWW-Authenticate", "Mcp-Session-Id",
)  # fmt: skip
"""What pages of allowed origins may read beside the body."""
UNREAD = (408, 413)
"""Refusals of what was not read to its end: nothing more is heard on that line."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""Also one without an end, and nothing is tried twice: else a small body could take minutes."""
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


class Guard:
    """Middleware around everything; refusals are problems."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings
        self._rate = Rate(settings.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it may."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            try:
                self._check(scope, headers)
            except Refused as exc:
                denial = WebSocket(scope, receive, send)
                await denial.send_denial_response(exc.answer())
                return
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out["x-content-type-options"] = "nosniff"
                out.setdefault("cache-control", "no-store")
            await send(message)

        try:
            self._check(scope, headers)
            body = await _body(headers, receive, self._settings.request_seconds)
        except Refused as exc:
            refusal = exc.answer()
            if exc.status in UNREAD:
                refusal.headers["connection"] = "close"
            refusal.headers.update(self._readable_by(headers.get("origin", "")))
            await refusal(scope, receive, answer)
            return
        await self._app(scope, _replay(body, receive), answer)

    def _check(self, scope: Scope, headers: Headers) -> None:
        hosts = headers.getlist("host")
        name = re.sub(r":\d*$", "", hosts[0]).lower() if len(hosts) == 1 else ""
        if name not in self._settings.hosts:
            raise Refused(
                421, "unknown_host", "The Host header names no host this service answers for;"
                " its operator can add names with PILLION_SERVICE_ALLOWED_HOSTS.",
            )  # fmt: skip
        origin = headers.get("origin", "").lower()
        own = origin in (f"http://{hosts[0]}".lower(), f"https://{hosts[0]}".lower())
        if origin and not own and origin not in self._settings.origins:
            raise Refused(
                403, "foreign_origin", "Pages of that origin may not call this service;"
                " its operator can let them with PILLION_SERVICE_ALLOWED_ORIGINS.",
            )  # fmt: skip
        self._rate.check(scope["client"][0] if scope.get("client") else "")

    def _readable_by(self, origin: str) -> dict[str, str]:
        """Return what lets a page of an allowed origin read why it was refused."""
        if origin.lower() not in self._settings.origins:
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": ", ".join(EXPOSED),
            "vary": "Origin",
        }


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the application a body that was already read."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message


async def _body(headers: Headers, receive: Receive, seconds: float) -> bytes:
    """Read the body within time and size; it is empty or well-formed JSON of sane depth."""
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = length != "0" or "transfer-encoding" in headers
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY:
                    raise _too_large()
    except TimeoutError as exc:
        raise Refused(408, "too_slow", f"The body took over {seconds:g} seconds.") from exc
    if body:
        _check_json(headers, bytes(body))
    return bytes(body)


def _too_large() -> Refused:
    return Refused(413, "too_large", f"The body is larger than {MAX_BODY} bytes.")


def _check_json(headers: Headers, body: bytes) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "not_json", "Send the body as Content-Type: application/json.")
    if depth(body) > MAX_DEPTH:
        raise Refused(400, "too_deep", f"The JSON is nested more than {MAX_DEPTH} deep.")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise Refused(
            400, "bad_json", f"The body is not JSON at line {exc.lineno}, column {exc.colno}."
        ) from exc


def depth(body: bytes) -> int:
    """Return how deep the brackets outside strings are nested."""
    deepest = here = 0
    for bracket in _STRING.sub(b"", body).translate(None, _OTHERS):
        here += 1 if bracket in b"[{" else -1
        deepest = max(deepest, here)
    return deepest
