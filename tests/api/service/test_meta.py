from __future__ import annotations

import httpx

from api.service.manual import page_of
from api.service.service import Service


async def test_it_says_that_it_lives_and_what_it_is(http: httpx.AsyncClient) -> None:
    assert (await http.get("/ok")).json() == {"ok": True}
    assert (await http.get("/health")).json() == {"status": "ok"}
    info = (await http.get("/info")).json()
    assert info["version"] == (await http.get("/version")).json()["pillion"]
    assert info["host"] == {"kind": "self-hosted"}


async def test_it_is_ready_until_it_drains_or_loses_its_state(
    service: Service, http: httpx.AsyncClient
) -> None:
    assert (await http.get("/ready")).json()["status"] == "ready"
    await service.drain()
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["accepting"]) == (503, False)
    service.ledger.close()
    assert (await http.get("/ready")).json()["checks"]["ledger"] is False


async def test_the_page_of_routes_runs_and_fetches_nothing(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for told in ("POST /v1/proposals/{proposal_id}/decision", "Idempotency-Key", "DecisionAsked"):
        assert told in page.text
    assert "default-src &#x27;none&#x27;" in page.text
    for foreign in ("<script", "http://", "https://", "src=", "<link"):
        assert foreign not in page.text


def test_what_a_shape_holds_is_text_in_the_page() -> None:
    hostile = "<script>alert(1)</script>"
    operation = {"description": hostile, "parameters": [{"name": hostile, "in": "query"}]}
    page = page_of(
        {
            "info": {"title": hostile, "version": "1"},
            "paths": {f"/{hostile}": {"get": operation}},
            "components": {"schemas": {hostile: {"title": hostile}}},
        }
    )
    assert "<script" not in page
