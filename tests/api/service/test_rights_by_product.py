"""Whose a thread is follows from its product, whichever way its run was started."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.engine.requests import RunRequest
from graph.ledger import now
from graph.settings import Settings
from tests.api.service.test_access import key
from tests.api.service.test_guard import problem_of
from tests.factories import make_proposal
from tests.products import make_product
from tools.messages import CHANGE

LATER = 600
"""Seconds until the runs here are due: none of them begins."""
WAYS = ("thread of the graph", "plain thread", "thread by its run", "no thread", "command")


@pytest.fixture
def sales(service: Service, tmp_path: Path) -> None:
    """Two products of one home."""
    make_product(tmp_path, service.settings.home, rows=10)
    products = service.settings.home / "products"
    shutil.copytree(products / "sales", products / "secret")


def run_about(product: str) -> dict[str, Any]:
    return {"assistant_id": "steward", "input": {"product": product}, "after_seconds": LATER}


async def started(http: httpx.AsyncClient, way: str, headers: dict[str, str]) -> str:
    """Start a run about sales in one of the ways there are, and return its thread."""
    run, thread = run_about("sales"), "mine"
    if way == "no thread":
        answer = await http.post("/runs", json=run, headers=headers)
        return str(answer.json()["thread_id"])
    if way == "command":
        command = {"id": 1, "method": "run.start", "params": run}
        await http.post(f"/threads/{thread}/commands", json=command, headers=headers)
        return thread
    if way == "thread by its run":
        run["if_not_exists"] = "create"
    else:
        metadata = {"graph_id": "steward"} if way == "thread of the graph" else {}
        made = {"thread_id": thread, "metadata": metadata}
        await http.post("/threads", json=made, headers=headers)
    await http.post(f"/threads/{thread}/runs", json=run, headers=headers)
    return thread


def offered(service: Service, thread: str) -> str:
    """Put a proposal of a thread into the queue, as its run does, and return its id."""
    at = now()
    proposal = make_proposal(product="sales", created_at=at, expires_at=at + timedelta(days=1))
    if not service.ledger.threads("sales"):
        service.ledger.open_thread(thread, "sales", "all")
    service.ledger.offer(thread, [proposal], "agent:rank")
    return proposal.id


def approval_of(proposal: str) -> dict[str, Any]:
    answer = {"decisions": [{"type": "approve", "proposal_id": proposal}]}
    return {"assistant_id": "steward", "command": {"resume": answer}}


@pytest.mark.parametrize("way", WAYS)
async def test_who_starts_a_run_does_not_approve_by_that(
    service: Service, http: httpx.AsyncClient, sales: None, way: str
) -> None:
    operator = key(service, "operator", "sales")
    thread = await started(http, way, operator)
    assert service.engine.records.thread_row(thread).metadata["product"] == "sales"
    approval = approval_of(offered(service, thread))
    answer = await http.post(f"/threads/{thread}/runs", json=approval, headers=operator)
    assert problem_of(answer) == (403, "forbidden")
    (offer,) = service.ledger.offers()
    assert offer.waiting
    others = key(service, "viewer", "sales")
    assert (await http.get(f"/threads/{thread}", headers=others)).status_code == 200


async def test_a_thread_that_an_earlier_version_made_is_about_its_product(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", principal="ada")
    async with open_service(settings, ServiceSettings()) as service:
        about = {"graph_id": "steward", "created_by": "person-operator-sales"}
        service.engine.records.add_thread("old", about)
        proposal = offered(service, "old")
        service.ledger.set_thread("old", "waiting")
        thread = service.engine.records.thread_row("old")
        known = service.engine.registry.find("steward").product_of
        assert known(RunRequest(**approval_of(proposal)), thread) == "sales"
    async with open_service(settings, ServiceSettings()) as service:
        assert service.engine.records.thread_row("old").metadata == {**about, "product": "sales"}


async def test_a_thread_stays_about_its_product(
    service: Service, http: httpx.AsyncClient, sales: None
) -> None:
    operator = key(service, "operator", "sales")
    thread = await started(http, "plain thread", operator)
    other = run_about("secret")
    answer = await http.post(f"/threads/{thread}/runs", json=other, headers=operator)
    assert problem_of(answer) == (409, "conflict")
    (run,) = service.engine.records.runs_of(thread)
    assert run.request.input == {"product": "sales"}


async def test_an_edit_tells_nothing_of_a_proposal_of_another_thread(
    service: Service, http: httpx.AsyncClient, sales: None
) -> None:
    approver = key(service, "approver", "sales")
    thread = await started(http, "plain thread", approver)
    service.ledger.open_thread("secret-1", "secret", "all")
    at = now()
    secret = make_proposal(product="secret", created_at=at, expires_at=at + timedelta(days=1))
    service.ledger.offer("secret-1", [secret], "agent:rank")
    told = set()
    for change in ({"to_type": "DATE"}, CHANGE.dump_python(secret.change, mode="json")):
        edit = {"type": "edit", "proposal_id": secret.id, "change": change}
        answer = {"assistant_id": "steward", "command": {"resume": {"decisions": [edit]}}}
        said = await http.post(f"/threads/{thread}/runs", json=answer, headers=approver)
        told.add(said.json()["detail"])
    assert told == {f"{secret.id} is no proposal of this thread."}


async def test_products_of_others_are_not_named_where_one_is_unknown(
    service: Service, http: httpx.AsyncClient, sales: None
) -> None:
    early = key(service, "operator", "tomorrow")
    for answer in (
        await http.get("/v1/products/tomorrow", headers=early),
        await http.post("/v1/products/tomorrow/runs", json={}, headers=early),
        await http.post("/runs", json=run_about("tomorrow"), headers=early),
    ):
        assert problem_of(answer) == (404, "unknown_product")
        assert "sales" not in answer.text and "secret" not in answer.text
