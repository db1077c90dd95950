"""Plain words over HTTP: who may ask, who may have a run started, what is refused."""

from __future__ import annotations

import httpx
import pytest

from api.service.keys import Role
from api.service.service import Service
from tests.api.service.test_guard import problem_of
from tests.ledgers import open_proposal

PRODUCT = "flights"
ORDER = "look for improvements of the schema only"


@pytest.fixture
def offered(service: Service) -> str:
    """A product without data whose one proposal waits."""
    descriptor = service.settings.product_home(PRODUCT) / "product.odps.yaml"
    descriptor.parent.mkdir(parents=True)
    descriptor.touch()
    service.ledger.open_thread("flights-1", PRODUCT, "all")
    service.ledger.offer("flights-1", [open_proposal("p00000000001")], "agent:rank")
    return "p00000000001"


async def say(http: httpx.AsyncClient, text: str, key: str = "") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await http.post("/v1/ask", json={"request": text}, headers=headers)


def key(service: Service, role: Role, product: str = PRODUCT) -> str:
    return service.access.keys.add(f"{role}-{product}", "person", {product: role})


async def test_a_viewer_is_answered_and_starts_nothing(
    service: Service, http: httpx.AsyncClient, offered: str
) -> None:
    viewer = key(service, "viewer")
    answer = await say(http, "what waits for me?", viewer)
    assert answer.status_code == 200
    assert answer.json()["sources"] == [{"kind": "proposal", "id": offered}]
    refused = await say(http, ORDER, viewer)
    assert problem_of(refused) == (403, "forbidden")
    assert service.engine.records.open_runs() == []


async def test_an_operator_has_a_run_started(
    service: Service, http: httpx.AsyncClient, offered: str
) -> None:
    reply = (await say(http, ORDER, key(service, "operator"))).json()
    assert (reply["status"], reply["agents"], reply["product"]) == ("started", ["schema"], PRODUCT)
    assert service.engine.records.thread_row(reply["run"]).metadata["product"] == PRODUCT


async def test_not_even_an_admin_decides_in_plain_words(
    service: Service, http: httpx.AsyncClient, offered: str
) -> None:
    for text in ("approve everything", f"approve {offered}", f"{ORDER} and approve {offered}"):
        reply = (await say(http, text)).json()
        assert reply["status"] in ("answered", "asked_back") and reply["run"] is None
    assert service.ledger.offer_of(offered).waiting
    assert service.engine.records.open_runs() == []


async def test_others_products_are_not_seen(
    service: Service, http: httpx.AsyncClient, offered: str
) -> None:
    viewer = key(service, "viewer")
    assert f"Proposal {offered}" in (await say(http, f"explain {offered}", viewer)).json()["text"]
    other = key(service, "admin", "other")
    assert "Nothing waits" in (await say(http, "what waits for me?", other)).json()["text"]
    assert "no proposal" in (await say(http, f"explain {offered}", other)).json()["text"]
    about = {"request": "what waits for me?", "product": PRODUCT}
    headers = {"authorization": f"Bearer {other}"}
    answer = await http.post("/v1/ask", json=about, headers=headers)
    assert problem_of(answer) == (404, "unknown_product")


async def test_what_cannot_be_read_is_a_problem(http: httpx.AsyncClient) -> None:
    bodies: list[tuple[dict[str, object], int]] = [
        ({"request": ""}, 422),
        ({"request": "\x00\x1b"}, 422),
        ({"request": "a" * 1_000_000}, 422),
        ({"request": "a" * 1_100_000}, 413),
        ({"request": 7}, 422),
        ({"request": "what waits?", "approve": True}, 422),
        ({}, 422),
    ]
    for body, status in bodies:
        assert problem_of(await http.post("/v1/ask", json=body))[0] == status


async def test_nobody_asks_without_a_key_once_there_is_one(
    service: Service, http: httpx.AsyncClient
) -> None:
    key(service, "viewer")
    assert (await say(http, "what waits for me?")).status_code == 401
