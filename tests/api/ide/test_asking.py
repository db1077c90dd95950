"""Plain words through an editor: the same answers, the same limits."""

from __future__ import annotations

from api.service.service import Service
from tests.api.ide.clients import client_of, refusal_of
from tests.api.ide.test_server import key


async def test_a_viewer_asks_and_cannot_start_a_run(
    service: Service, sales: tuple[str, str]
) -> None:
    async with client_of(service, None, **key(service, "viewer")) as client:
        found = await client.call_tool("ask", {"request": "what waits for me?"})
        assert found.structured_content is not None
        assert [s["id"] for s in found.structured_content["sources"]] == list(sales)
        refused = await client.call_tool("ask", {"request": "look for improvements"})
        assert "[forbidden]" in refusal_of(refused)
        empty = await client.call_tool("ask", {"request": " "})
        assert "[invalid_request]" in refusal_of(empty)


async def test_an_agent_with_every_role_decides_nothing_by_asking(
    service: Service, sales: tuple[str, str]
) -> None:
    async with client_of(service, None, **key(service, "admin", kind="agent")) as client:
        found = await client.call_tool("ask", {"request": f"approve {sales[0]}"})
        assert found.structured_content is not None
        assert found.structured_content["plan"] == "elsewhere"
    assert service.ledger.offer_of(sales[0]).waiting
