"""MCP clients of a service in this process, and homes whose proposals wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitResult

from api.service.app import build_api
from api.service.guard import Guard
from api.service.service import Service
from graph.ledger import Ledger, now
from tests.factories import make_proposal
from tools.messages import Proposal

BASE = "http://127.0.0.1"
MODERN = "2026-07-28"
Person = Callable[[ElicitRequestFormParams], ElicitResult]


def says(answer: str, reason: str = "") -> ElicitResult:
    """Return what a person's form brings back."""
    return ElicitResult(action="accept", content={"answer": answer, "reason": reason})


def callback(person: Person | None) -> Any:
    """Return a person as a client knows them; without one, it cannot ask."""
    if person is None:
        return None

    async def ask(_: Any, asked: ElicitRequestFormParams) -> ElicitResult:
        return person(asked)

    return ask


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[httpx2.ASGITransport]:
    """Serve MCP without a socket: enough for calls that need nothing in their middle."""
    api = build_api(service)
    async with api.router.lifespan_context(api):
        yield httpx2.ASGITransport(Guard(api, service.limits))


@asynccontextmanager
async def client_of(
    service: Service, person: Person | None = None, **headers: str
) -> AsyncIterator[Client]:
    """Connect a client of today's protocol."""
    async with (
        served(service) as transport,
        httpx2.AsyncClient(transport=transport, headers=headers) as http,
        Client(
            streamable_http_client(f"{BASE}/mcp", http_client=http),
            mode=MODERN, elicitation_callback=callback(person), cache=None,
        ) as client,
    ):  # fmt: skip
        yield client


def offer(ledger: Ledger, *proposals: Proposal, run: str = "sales-1") -> None:
    """Put proposals of a run into the queue."""
    product = proposals[0].product
    ledger.open_thread(run, product, "all")
    ledger.offer(run, proposals, "agent:rank")


def proposal(change: Any = None, **fields: Any) -> Proposal:
    """Return a proposal for sales that is open for a day."""
    at = now()
    times = {"created_at": at, "expires_at": at + timedelta(days=1)}
    return make_proposal(change, **{"product": "sales", **times, **fields})


def make_sales(service: Service) -> tuple[str, str]:
    """Name a product sales, without any data, and offer two proposals; returns their ids."""
    descriptor = service.settings.product_home("sales") / "product.odps.yaml"
    descriptor.parent.mkdir(parents=True)
    descriptor.touch()
    first, second = proposal(id="p1"), proposal(id="p2")
    offer(service.ledger, first, second)
    about = {"graph_id": "steward", "product": "sales"}
    service.engine.records.add_thread("sales-1", about)
    return first.id, second.id


def text_of(result: CallToolResult) -> str:
    """Return the words of a result."""
    return "".join(getattr(block, "text", "") for block in result.content)


def refusal_of(result: CallToolResult) -> str:
    """Return what a tool that said no said."""
    assert result.is_error, result.structured_content
    return text_of(result).partition(": ")[2]
