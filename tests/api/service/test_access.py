"""Who may do what: every route, every role, foreign products."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Route

from api.service.access import Needs
from api.service.app import ROUTERS, build_api
from api.service.commands import HANDLERS, elsewhere, never
from api.service.keys import ROLES, Kind, Role
from api.service.service import Service
from graph.engine.requests import RunRequest
from graph.ledger import now
from tests.api.service.test_guard import problem_of
from tests.commands import document, invoke, refusal
from tests.factories import make_proposal
from tests.products import make_product

METADATA = "/.well-known/oauth-protected-resource"
OPEN = {"/ok", "/health", "/ready", METADATA, f"{METADATA}/mcp"}
"""What answers without a key."""


def needs_of(route: APIRoute | APIWebSocketRoute) -> Needs | None:
    found = [d.call for d in route.dependant.dependencies if isinstance(d.call, Needs)]
    return found[0] if found else None


ROUTES = [r for router in ROUTERS for r in router.routes if isinstance(r, APIRoute)]


def key(service: Service, role: Role, product: str = "*", kind: Kind = "person") -> dict[str, str]:
    """Return the headers of a new caller."""
    name = f"{kind}-{role}-{product}"
    secret = service.access.keys.add(name, kind, {product: role})
    return {"authorization": f"Bearer {secret}"}


SOCKETS = [r for router in ROUTERS for r in router.routes if isinstance(r, APIWebSocketRoute)]


def path_of(route: APIRoute, **names: str) -> str:
    """Return a path of a route, with what its parameters are called."""
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "nothing"), route.path)


def test_every_route_has_a_rule() -> None:
    assert {r.path for r in ROUTES if needs_of(r) is None} == OPEN
    assert len(ROUTES) > 40
    assert SOCKETS and all(needs_of(r) for r in SOCKETS)


def test_only_the_routes_shapes_are_told_beside_them(service: Service) -> None:
    beside = {r.path for r in build_api(service).routes if isinstance(r, Route)}
    assert beside == {"/openapi.json", "/docs", "/mcp"}


async def test_every_route_lets_in_its_roles_and_nobody_else(
    service: Service, http: httpx.AsyncClient
) -> None:
    callers = {role: key(service, role) for role in ROLES}
    for route in ROUTES:
        rule = needs_of(route)
        if rule is None:
            continue
        (method,) = route.methods
        path = path_of(route)
        nobody = await http.request(method, path)
        assert problem_of(nobody) == (401, "unauthorized"), path
        for role, headers in callers.items():
            answer = await http.request(method, path, headers=headers)
            enough = ROLES.index(role) >= ROLES.index(rule.role)
            assert (answer.status_code == 403) != enough, (method, path, role, answer.text)
            assert answer.status_code < 500


@pytest.fixture
def sales(service: Service, tmp_path: Path) -> str:
    """A product with a proposal that waits."""
    make_product(tmp_path, service.settings.home, rows=10)
    at = now()
    proposal = make_proposal(product="sales", created_at=at, expires_at=at + timedelta(days=1))
    service.ledger.open_thread("sales-1", "sales", "all")
    service.ledger.offer("sales-1", [proposal], "agent:rank")
    service.engine.records.add_thread("sales-1", {"graph_id": "steward", "product": "sales"})
    return proposal.id


RUN: Any = {"assistant_id": "steward", "input": {"product": "sales"}}
BODIES: dict[str, Any] = {
    "/v1/proposals/{proposal_id}/decision": {"verdict": "approve"},
    "/threads/{thread_id}/runs": RUN,
    "/threads/{thread_id}/runs/stream": RUN,
    "/threads/{thread_id}/runs/wait": RUN,
    "/threads/{thread_id}/state": {"values": {}},
    "/threads/{thread_id}/state/checkpoint": {"checkpoint": {}},
    "/threads/{thread_id}/stream/events": {"channels": ["values"]},
    "/threads/prune": {"thread_ids": ["sales-1"]},
    "/runs": RUN,
    "/runs/batch": [RUN],
    "/runs/stream": RUN,
    "/runs/wait": RUN,
}
"""What a route has to be sent to come as far as asking whose it is; an empty object by default."""
SENT = ("POST", "PUT", "PATCH", "DELETE")
ABOUT = ("{product}", "{proposal_id}", "{thread_id}", "{run_id}")
OPEN_ENDED = ("/stream", "/join")


async def test_a_foreign_product_is_as_good_as_none(
    service: Service, http: httpx.AsyncClient, sales: str
) -> None:
    other, own = key(service, "admin", "other"), key(service, "admin", "sales")
    asked = RunRequest(assistant_id="steward", after_seconds=600)
    run = service.engine.take_up("sales-1", "steward", asked)
    names = {"product": "sales", "proposal_id": sales, "thread_id": "sales-1"}
    reached = set()
    for route in ROUTES:
        (method,) = route.methods
        path = path_of(route, **names, run_id=run.run_id, assistant_id="steward")
        body = BODIES.get(route.path, {}) if method in SENT else None
        answer = await http.request(method, path, json=body, headers=other)
        assert answer.is_error or "sales" not in answer.text, path
        if any(name in route.path for name in ABOUT):
            hidden = answer.status_code in (403, 404)
            assert hidden or route.path.endswith("/commands"), (method, path, answer.text)
            if method == "GET" and not route.path.endswith(OPEN_ENDED):
                reached.add((await http.request(method, path, headers=own)).status_code)
    assert reached <= {200, 404} and 200 in reached
    assert service.ledger.offer_of(sales).waiting
    assert service.engine.records.run_row(run.run_id).status == "pending"
    assert service.engine.records.thread_row("sales-1").metadata["product"] == "sales"


@pytest.mark.parametrize(
    "command",
    [
        {"method": "run.start", "params": RUN},
        {"method": "input.respond", "params": {"interrupt_id": "0" * 32, "response": {}}},
        {"method": "agent.getTree"},
        {"method": "state.get"},
        {"method": "state.listCheckpoints"},
        {"method": "state.fork", "params": {"checkpoint_id": "x"}},
    ],
)
async def test_no_command_reaches_a_foreign_thread(
    service: Service, http: httpx.AsyncClient, sales: str, command: Any
) -> None:
    other = key(service, "admin", "other")
    where = "/threads/sales-1/commands"
    answer = await http.post(where, json={"id": 1, **command}, headers=other)
    assert answer.json()["error"] in ("no_such_run", "permission_denied")
    assert service.engine.records.runs_of("sales-1") == []


def test_every_command_is_tried_on_a_foreign_thread() -> None:
    (marks,) = test_no_command_reaches_a_foreign_thread.pytestmark
    tried = {each["method"] for each in marks.args[1]}
    assert tried == {
        name for name, (_, handler) in HANDLERS.items() if handler not in (elsewhere, never)
    }


async def test_lists_hold_nothing_of_foreign_products(
    service: Service, http: httpx.AsyncClient, sales: str
) -> None:
    other = key(service, "admin", "other")
    for path in ("/v1/products", "/v1/proposals", "/v1/runs"):
        assert (await http.get(path, headers=other)).json() == []
    found = await http.post("/threads/search", json={}, headers=other)
    assert found.json() == []


async def test_an_agent_may_never_decide_whatever_its_role(
    service: Service, http: httpx.AsyncClient, sales: str
) -> None:
    robot = key(service, "admin", kind="agent")
    where = f"/v1/proposals/{sales}"
    for verdict in ("approve", "reject"):
        answer = await http.post(f"{where}/decision", json={"verdict": verdict}, headers=robot)
        assert problem_of(answer) == (403, "forbidden")
    assert problem_of(await http.post(f"{where}/undo", headers=robot)) == (403, "forbidden")
    assert service.ledger.offer_of(sales).waiting


async def test_a_decision_names_the_key_that_gave_it(
    service: Service, http: httpx.AsyncClient, sales: str
) -> None:
    ada = key(service, "approver", "sales")
    await http.post(f"/v1/proposals/{sales}/decision", json={"verdict": "reject"}, headers=ada)
    decision = service.ledger.offer_of(sales).decision
    assert decision is not None and decision.principal.name == "person-approver-sales"


async def test_who_may_see_a_thread_cannot_be_written_by_callers(
    service: Service, http: httpx.AsyncClient
) -> None:
    maker = key(service, "operator", "sales")
    for metadata in ({"product": "other"}, {"created_by": "somebody"}):
        answer = await http.post("/threads", json={"metadata": metadata}, headers=maker)
        assert problem_of(answer) == (422, "invalid_request")
    made = (await http.post("/threads", json={}, headers=maker)).json()["thread_id"]
    assert (await http.get(f"/threads/{made}", headers=maker)).status_code == 200
    stranger = key(service, "operator", "other")
    assert (await http.get(f"/threads/{made}", headers=stranger)).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer pil_wrong"},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer "},
        {"x-api-key": "pil_\u00e9"},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    ],
)
async def test_a_wrong_key_is_no_key(
    service: Service, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    key(service, "viewer")
    sent = {name: value.encode() for name, value in headers.items()}
    assert problem_of(await http.get("/info", headers=sent)) == (401, "unauthorized")


def test_keys_are_made_shown_once_and_revoked(tmp_path: Path) -> None:
    made = document(tmp_path, "keys", "add", "ada", "--role", "viewer", "--role", "sales=approver")
    assert made["roles"] == {"*": "viewer", "sales": "approver"}
    assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0
    assert made["secret"].encode() not in (tmp_path / "keys.db").read_bytes()
    (listed,) = document(tmp_path, "keys", "list")
    assert (listed["name"], listed["revoked_at"]) == ("ada", None)
    assert "another" in refusal(invoke(tmp_path, "keys", "add", "ada", "--role", "viewer"))
    assert document(tmp_path, "keys", "revoke", "ada") == {"revoked": "ada"}
    assert "ada" in refusal(invoke(tmp_path, "keys", "revoke", "ada"))
    told = invoke(tmp_path, "keys", "list").stdout
    assert "viewer of every product, approver of sales; revoked 20" in told
    for role in ("king", "=viewer", "sales=", ""):
        assert "--role" in refusal(invoke(tmp_path, "keys", "add", "bob", "--role", role), 2)
