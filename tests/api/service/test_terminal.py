"""For whom a terminal has the service work, and whom it may not say it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import at_service
from api.at_service import AtService
from api.presence import Serving
from api.service import access, desk, products
from api.service.service import Service
from api.service.settings import ServiceSettings
from api.service.terminal import LONGEST, PERSON, name_in, said_to_be
from graph.errors import GraphError
from graph.ledger import now
from tests.api.service.test_access import key
from tests.api.service.test_guard import problem_of
from tests.factories import make_proposal
from tests.products import make_product

HOST = "http://127.0.0.1"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For whom runs were started."""
    names: list[str] = []

    async def begin_run(service: Service, caller: access.Caller, *rest: Any) -> Any:
        names.append(caller.principal.name)
        raise desk.UnknownProduct("sales", ())

    monkeypatch.setattr(products, "begin_run", begin_run)
    return names


def owner(service: Service, name: str) -> dict[str, str]:
    """Return the headers of a terminal in which `name` works."""
    return {"authorization": f"Bearer {service.access.own}", **said_to_be(name)}


async def start(http: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    return await http.post("/v1/products/sales/runs", json={}, headers=headers)


async def test_a_run_is_asked_for_by_whom_the_terminal_says(
    service: Service, http: httpx.AsyncClient, begun: list[str]
) -> None:
    for name in ("grace", "Zoë O'Neil", "ADA"):
        await start(http, owner(service, name))
    await start(http, {"authorization": f"Bearer {service.access.own}"})
    assert begun == ["grace", "Zoë O'Neil", "ada", "ada"]


async def test_only_the_homes_owner_says_a_name(
    service: Service, http: httpx.AsyncClient, begun: list[str]
) -> None:
    assert problem_of(await start(http, said_to_be("grace"))) == (403, "not_shown")
    admin = key(service, "admin")
    refused = await start(http, {**admin, **said_to_be("grace")})
    assert problem_of(refused) == (403, "not_shown")
    assert begun == []


async def test_a_name_that_has_a_key_needs_it(
    service: Service, http: httpx.AsyncClient, begun: list[str]
) -> None:
    secret = service.access.keys.add("Grace", "person", {"*": "operator"})
    for name in ("Grace", "gRACE"):
        refused = await start(http, owner(service, name))
        assert problem_of(refused) == (403, "not_shown") and "PILLION_KEY" in refused.text
    await start(http, {"authorization": f"Bearer {secret}", **said_to_be("Grace")})
    assert begun == ["Grace"]
    service.access.keys.revoke("Grace")
    assert problem_of(await start(http, owner(service, "Grace"))) == (403, "not_shown")


async def test_where_an_issuer_says_who_people_are_a_terminal_does_not(
    service: Service, http: httpx.AsyncClient, begun: list[str]
) -> None:
    tokens: Any = object()
    service.access = replace(service.access, tokens=tokens)
    assert problem_of(await start(http, owner(service, "grace"))) == (403, "not_shown")
    await start(http, owner(service, "ada"))
    assert begun == ["ada"]


@pytest.mark.parametrize("told", ["", "%20", "%ff", "a%0ab", "%1b%5b31m", "a" * (LONGEST + 1)])
async def test_what_no_name_can_be_is_refused(
    service: Service, http: httpx.AsyncClient, begun: list[str], told: str
) -> None:
    headers = {"authorization": f"Bearer {service.access.own}", PERSON: told}
    assert problem_of(await start(http, headers)) == (400, "bad_name")


async def test_an_answer_through_the_service_is_not_given_under_a_terminals_name(
    service: Service, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    make_product(tmp_path, service.settings.home, rows=10)
    at = now()
    proposal = make_proposal(product="sales", created_at=at, expires_at=at + timedelta(days=1))
    service.ledger.open_thread("sales-1", "sales", "all")
    service.ledger.offer("sales-1", [proposal], "agent:rank")
    where = f"/v1/proposals/{proposal.id}/decision"
    await http.post(where, json={"verdict": "reject"}, headers=owner(service, "grace"))
    decision = service.ledger.offer_of(proposal.id).decision
    assert decision is not None and decision.principal.name == service.settings.person


async def test_the_terminal_sends_its_name_or_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Headers] = []

    class Client(at_service.httpx2.AsyncClient):
        def __init__(self, **options: Any) -> None:
            seen.append(httpx.Headers(options["headers"]))
            super().__init__(**options)

    monkeypatch.setattr(at_service.httpx2, "AsyncClient", Client)
    serving = Serving(url="http://127.0.0.1:1", token="t", pid=1)
    for secret in ("", "pil_hers"):
        with pytest.raises(at_service.ServiceGone):
            await AtService(serving, ServiceSettings(), "grace", secret).undo("p1")
    assert (seen[0]["authorization"], seen[0][PERSON]) == ("Bearer t", "grace")
    assert seen[1]["authorization"] == "Bearer pil_hers" and PERSON not in seen[1]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=LONGEST))
def test_a_name_arrives_as_it_was_said_or_not_at_all(name: str) -> None:
    assert name_in(said_to_be(name)) in (name.strip(), "")


def test_a_key_that_does_not_hold_is_named_as_the_setting_it_is() -> None:
    refused = httpx2.Response(401, json={"title": "unauthorized", "detail": "Send `X-Api-Key`"})
    with pytest.raises(GraphError, match="the key in PILLION_KEY: set one that holds"):
        at_service._document(refused)
