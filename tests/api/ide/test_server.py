"""What the server offers, and to whom.

`tools.json` holds every tool's schema as clients see it. After a wanted change write it anew:
`PILLION_UPDATE_SNAPSHOTS=1 pytest tests/api/ide/test_server.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from api.ide.calls import Rule
from api.ide.server import KEY, TOOLS, state_key
from api.service.app import build_api
from api.service.guard import Guard
from api.service.keys import ROLES, Kind, Role
from api.service.observing import Observing
from api.service.service import Service
from graph.engine.event_log import Entry
from graph.engine.plain import encode
from graph.engine.requests import RunRequest
from tests.api.ide.clients import BASE, MODERN, client_of, refusal_of, served
from tests.products import make_product

SNAPSHOT = Path(__file__).parent / "tools.json"
ARGUMENTS: dict[str, Any] = {
    "product": "sales", "proposal_id": "p1", "run": "sales-1", "sql": "SELECT 1",
    "verdict": "reject", "wait_seconds": 0, "request": "what waits for me?",
}  # fmt: skip
"""What the tools want to be given; each takes those it knows."""
STARTING = {"describe_product", "query_product", "list_changes", "undo_change"}
"""Tools that start a product's server for whom they let in."""


def key(service: Service, role: Role, product: str = "*", kind: Kind = "person") -> dict[str, str]:
    """Return the headers of a new caller."""
    secret = service.access.keys.add(f"{kind}-{role}-{product}", kind, {product: role})
    return {"authorization": f"Bearer {secret}"}


def arguments(rule: Rule) -> dict[str, Any]:
    return {name: ARGUMENTS[name] for name in rule.work.__annotations__ if name in ARGUMENTS}


def name(rule: Rule) -> str:
    return rule.work.__name__


async def test_every_tool_looks_to_clients_as_agreed(service: Service) -> None:
    async with client_of(service) as client:
        tools = (await client.list_tools()).tools
        resources = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
    for item in (*tools, *resources, *prompts):
        assert item.description
    for prompt in prompts:
        assert all(argument.description for argument in prompt.arguments or ())
    shown = [t.model_dump(mode="json", by_alias=True, exclude_none=True) for t in tools]
    if os.environ.get("PILLION_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(shown, indent=2) + "\n")
    assert shown == json.loads(SNAPSHOT.read_text())


async def test_every_tool_lets_in_its_roles_and_nobody_else(
    service: Service, sales: tuple[str, str]
) -> None:
    callers = {role: key(service, role) for role in ROLES}
    for role, headers in callers.items():
        async with client_of(service, None, **headers) as client:
            for rule in TOOLS:
                if name(rule) in STARTING:
                    continue
                answer = await client.call_tool(name(rule), arguments(rule))
                enough = ROLES.index(role) >= ROLES.index(rule.role)
                refused = answer.is_error and "[forbidden]" in refusal_of(answer)
                assert refused != enough, (name(rule), role, answer.content)


async def test_a_lesser_role_starts_no_product_server(
    service: Service, sales: tuple[str, str]
) -> None:
    async with client_of(service, None, **key(service, "viewer")) as client:
        for rule in TOOLS:
            if name(rule) in STARTING and rule.role != "viewer":
                answer = await client.call_tool(name(rule), arguments(rule))
                assert "[forbidden]" in refusal_of(answer)


async def test_a_foreign_product_is_as_good_as_none(
    service: Service, sales: tuple[str, str]
) -> None:
    async with client_of(service, None, **key(service, "admin", "other")) as client:
        for rule in TOOLS:
            given = arguments(rule)
            answer = await client.call_tool(name(rule), given)
            about_one = {"product", "proposal_id", "run"} & given.keys()
            if name(rule) in ("status", "list_proposals", "list_pending"):
                assert "p1" not in str(answer.structured_content)
                assert not answer.structured_content or answer.structured_content.get(
                    "products"
                ) in (None, [])
            else:
                assert about_one
                assert "[unknown_" in refusal_of(answer), name(rule)
        assert (await client.list_resources()).resources == []
    assert service.ledger.offer_of("p1").waiting


async def test_an_agent_may_never_decide_whatever_its_role(
    service: Service, sales: tuple[str, str]
) -> None:
    asked: list[Any] = []
    async with client_of(
        service,
        lambda form: asked.append(form) or pytest.fail("asked"),
        **key(service, "admin", kind="agent"),
    ) as client:
        for tool, given in (
            ("decide", {"proposal_id": "p1", "verdict": "approve"}),
            ("decide", {"proposal_id": "p1", "verdict": "reject", "reason": "no"}),
            ("review_proposals", {}),
            ("review_proposals", {"proposal_id": "p1"}),
            ("undo_change", {"proposal_id": "p1"}),
        ):  # fmt: skip
            assert "[forbidden]" in refusal_of(await client.call_tool(tool, given))
    assert asked == [] and service.ledger.offer_of("p1").waiting


async def test_nobody_gets_in_without_a_key_once_there_is_one(service: Service) -> None:
    key(service, "viewer")
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with served(service) as transport, httpx2.AsyncClient(transport=transport) as http:
        for headers in ({}, {"authorization": "Bearer pil_wrong"}):
            answer = await http.post(f"{BASE}/mcp", json=asked, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
        spoofed = await http.post(f"{BASE}/mcp", json=asked, headers={"host": "evil.example"})
        assert spoofed.status_code == 421
        foreign = await http.post(
            f"{BASE}/mcp", json=asked, headers={"origin": "http://evil.example"}
        )
        assert foreign.status_code == 403


async def test_a_revoked_key_ends_at_once(service: Service, sales: tuple[str, str]) -> None:
    headers = key(service, "viewer")
    async with client_of(service, None, **headers) as client:
        assert not (await client.call_tool("status", {})).is_error
        service.access.keys.revoke("person-viewer-*")
        with pytest.raises(MCPError, match="error response"):
            await client.call_tool("status", {})


async def test_a_revoked_key_gets_no_result_it_was_waiting_for(
    service: Service, sales: tuple[str, str]
) -> None:
    asked = RunRequest(assistant_id="steward", after_seconds=600)
    service.engine.take_up("sales-1", "steward", asked)
    async with client_of(service, None, **key(service, "viewer")) as client:
        wait = {"run": "sales-1", "wait_seconds": 600}
        following = asyncio.create_task(client.call_tool("follow_run", wait))
        await asyncio.sleep(0.2)
        service.access.keys.revoke("person-viewer-*")
        async with asyncio.timeout(20):
            with pytest.raises(MCPError, match="error response"):
                await following


async def test_a_message_is_logged_with_its_caller_by_name(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pillion.http")
    api = build_api(service)
    transport = httpx2.ASGITransport(Observing(Guard(api, service.limits), service.requests))
    async with (
        api.router.lifespan_context(api),
        httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
    ):
        await http.get("/mcp")
    (told,) = [vars(record) for record in caplog.records if record.name == "pillion.http"]
    assert (told["route"], told["caller"]) == ("/mcp", "person:ada")


async def test_progress_holds_nothing_that_steers_a_terminal(
    service: Service, sales: tuple[str, str]
) -> None:
    asked = RunRequest(assistant_id="steward", after_seconds=600)
    run = service.engine.take_up("sales-1", "steward", asked)
    message = {"node": "apply", "done": 1, "total": 2, "message": "index \x1b[2J\u202e\nDone."}
    told: list[str | None] = []

    async def hear(done: float, total: float | None, text: str | None) -> None:
        told.append(text)

    async with client_of(service) as client:
        wait = {"run": "sales-1", "wait_seconds": 3}
        following = asyncio.create_task(
            client.call_tool("follow_run", wait, progress_callback=hear)
        )
        await asyncio.sleep(0.5)
        entry = Entry("custom", "custom", encode(message))
        service.engine.records.append("sales-1", run.run_id, entry)
        await following
    assert told == ["apply 1 of 2: index \\x1b[2J\\u202e Done."]


async def test_a_contract_that_cannot_be_read_is_said_so(
    service: Service, sales: tuple[str, str], tmp_path: Path
) -> None:
    make_product(tmp_path, service.settings.home, rows=10, name="flights")
    async with client_of(service) as client:
        (contract,) = (await client.read_resource("pillion://products/flights/contract")).contents
        assert "apiVersion" in contract.text
        (service.settings.product_home("flights") / "contract.odcs.yaml").unlink()
        for product in ("flights", "sales"):
            with pytest.raises(MCPError, match=r"\[product_unavailable\]"):
                await client.read_resource(f"pillion://products/{product}/contract")


@pytest.mark.parametrize(
    ("prompt", "why"), [("nothing", "Unknown prompt: nothing"), ("explain", "proposal_id")]
)
async def test_a_prompt_that_is_asked_for_wrongly_is_no_fault_of_ours(
    service: Service, caplog: pytest.LogCaptureFixture, prompt: str, why: str
) -> None:
    async with client_of(service) as client:
        with pytest.raises(MCPError, match=why) as refused:
            await client.get_prompt(prompt, {})
        assert refused.value.error.code == INVALID_PARAMS
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_what_the_home_announces_is_the_local_person(
    service: Service, sales: tuple[str, str]
) -> None:
    key(service, "viewer")
    async with client_of(service, None, authorization=f"Bearer {service.access.own}") as client:
        found = (await client.call_tool("status", {})).structured_content
    assert found is not None and found["principal"]["name"] == "ada"


def test_the_key_of_questions_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    first = state_key(tmp_path)
    assert state_key(tmp_path) == first
    assert (tmp_path / KEY).stat().st_mode & 0o077 == 0
    (tmp_path / KEY).write_bytes(b"cut off")
    assert len(state_key(tmp_path)) == len(first)


async def test_a_client_of_today_needs_no_session(service: Service) -> None:
    async with client_of(service) as client:
        assert client.protocol_version == MODERN
