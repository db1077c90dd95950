from __future__ import annotations

import httpx

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
