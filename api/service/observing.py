"""Each request as a span, a line of the log and a measured time; it has an id in all of them."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections import defaultdict

from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from tools.histogram import Histogram
from tools.tracing import TRACER

LOG = logging.getLogger("pillion.http")
BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
"""Upper ends of a histogram's buckets, in seconds."""
UNMATCHED = "none"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


Requests = defaultdict[tuple[str, str, str], Histogram]
"""Times to the first byte by method, route and status."""


def no_requests() -> Requests:
    """Return the times of a service that answered nothing yet."""
    return Requests(lambda: Histogram(BOUNDS))


class Observing:
    """Middleware around everything else."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell of it when it has been answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        method = scope["method"] if scope["method"] in METHODS else "other"
        attributes = {"http.request.method": method, "pillion.request_id": request_id}
        with (
            bound_contextvars(request_id=request_id),
            TRACER.start_as_current_span(
                method, context=extract(headers), kind=SpanKind.SERVER, attributes=attributes
            ) as span,
        ):
            await self._answer(scope, receive, send, (method, span))

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, about: tuple[str, Span]
    ) -> None:
        method, span = about
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = scope["state"]["request_id"]
                seconds = time.perf_counter() - began
                self._tell(scope, (method, str(message["status"])), seconds, span)
            await send(message)

        await self._app(scope, receive, answer)

    def _tell(self, scope: Scope, said: tuple[str, str], seconds: float, span: Span) -> None:
        method, status = said
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._requests[method, route, status].add(seconds)
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": int(status)})
        if status.startswith("5"):
            span.set_status(StatusCode.ERROR)
        caller = scope["state"].get("caller")
        LOG.info(
            "request",
            extra={
                "method": method, "route": route, "status": int(status),
                "milliseconds": round(1000 * seconds, 1), "caller": caller,
            },
        )  # fmt: skip
