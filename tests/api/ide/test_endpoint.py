"""`/mcp` as an HTTP resource: where its tokens come from, how it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2

from api.service.service import open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.ide.clients import BASE, served
from tests.api.service.issuer import publishing

ACCEPT = {"accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}  # fmt: skip


async def test_a_client_is_told_where_its_tokens_come_from(tmp_path: Path) -> None:
    with publishing() as issuer:
        limits = ServiceSettings(**issuer.settings)
        async with (
            open_service(Settings(home=tmp_path / "home"), limits) as service,
            served(service) as transport,
            httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
        ):
            refused = await http.post("/mcp", json=INITIALIZE, headers=ACCEPT)
            where = f"{BASE}/.well-known/oauth-protected-resource/mcp"
            assert refused.status_code == 401
            assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
            document = (await http.get(where)).json()
            assert document["resource"] == f"{BASE}/mcp"
            assert document["authorization_servers"]
            token = {"authorization": f"Bearer {issuer.token()}"}
            opened = await http.post("/mcp", json=INITIALIZE, headers={**ACCEPT, **token})
            assert opened.status_code == 200


async def test_a_stop_ends_the_streams_that_are_open(tmp_path: Path, serve: Any) -> None:
    with serve(tmp_path / "home") as (child, url):
        async with httpx2.AsyncClient(base_url=url, headers=ACCEPT) as http:
            opened = await http.post("/mcp", json=INITIALIZE)
            session = {"mcp-session-id": opened.headers["mcp-session-id"]}
            async with http.stream("GET", "/mcp", headers=session) as stream:
                assert stream.status_code == 200
                stopping = asyncio.create_task(asyncio.to_thread(child.stop))
                # A stream that is cut off instead raises here.
                async for _ in stream.aiter_bytes():
                    pass
                assert await stopping == 0
