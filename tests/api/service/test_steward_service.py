"""One product from the first request to its undo, in a served process with a real product child.

The terminal starts the run and takes the change back: beside a service it goes through it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, UnprocessableEntityError
from mcp import Client

from api.cli import answering, working
from api.presence import Serving
from tests.commands import document, invoke, make_home, refusal
from tests.ledgers import KEPT
from tests.products import QUERIES

pytestmark = pytest.mark.timeout(180)
COSTS = (
    "CREATE TABLE costs AS SELECT i AS id, CAST(hash(i) % 900 AS VARCHAR) AS cost"
    " FROM range(60000) AS r(i)"
)
GRACE = {"PILLION_PRINCIPAL": "grace"}
"""Who works in the terminal; the service was started by ada."""
MORE = "SELECT sum(CAST(cost AS INTEGER)) FROM costs WHERE CAST(cost AS INTEGER) > 9;"


def until(found: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what is there sooner or later."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends
        time.sleep(0.1)
    return value


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return how a command is run beside the service of a home."""

    def found(settings: Any) -> Serving:
        # A fork has the command line of another program.
        return Serving.model_validate_json((settings.home / "service.json").read_bytes())

    for module in (answering, working):
        monkeypatch.setattr(module, "service_of", found)
    return lambda *command: asyncio.to_thread(*command)


async def test_a_product_is_improved_over_http(
    tmp_path: Path, serve: Any, terminal: Callable[..., Any]
) -> None:
    home = make_home(tmp_path / "home", queries=QUERIES + MORE, more=COSTS)
    with serve(home) as (child, url), httpx.Client(base_url=url, timeout=60) as http:
        client = get_client(url=url, api_key=None)
        looking = ("run", "sales", "--only", "schema", "--budget", "20")
        thread = (await terminal(partial(document, home, *looking, **GRACE)))["thread"]
        await look(client, thread)
        waiting = http.get("/v1/proposals", params={"status": "waiting", "sort": "gain"}).json()
        first, second = waiting[0]["id"], waiting[1]["id"]
        await approve(http, client, thread, first)
        await reject_as_a_chat_does(client, thread, second)
        decision = http.get(f"/v1/proposals/{second}").json()["decision"]
        assert (decision["verdict"], decision["reason"]) == ("reject", "not in June")
        undone = await terminal(partial(document, home, "undo", first, **GRACE))
        assert undone["outcomes"][-1]["status"] == "undone"
        trail = http.get("/v1/audit", params={"limit": 1000}).json()
        hers = {row["action"] for row in trail if row["actor"] == "person:grace"}
        assert {"run.requested", "undo.requested"} <= hers
        said = refusal(await terminal(invoke, home, "undo", first), 3)
        assert f"{first} was undone already, at 20" in said
        said = refusal(await terminal(invoke, home, "undo", second))
        assert f"{second} was never made" in said
        assert http.post(f"/v1/proposals/{second}/undo").status_code == 409
        changes = http.get("/v1/products/sales/changes").json()
        assert [c["status"] for c in changes] == ["undone"]
        assert http.get("/v1/audit/verify").json()["ok"]
        assert child.stop() == 0


async def look(client: LangGraphClient, thread: str) -> None:
    """Read a run that has come to its question."""
    (run,) = await client.runs.list(thread)
    told = [p async for p in client.runs.join_stream(thread, run["run_id"])]
    assert told[-1].event == "end"
    nodes = {name for p in told if p.event == "updates" for name in p.data}
    assert {"supervise", "schema", "measure", "gate", "rank", "__interrupt__"} <= nodes
    assert {p.data["kind"] for p in told if p.event == "custom"} == {"progress"}
    found = await client.threads.get(thread)
    assert (found["status"], found["metadata"]["product"]) == ("interrupted", "sales")


async def approve(http: httpx.Client, client: LangGraphClient, thread: str, proposal: str) -> None:
    """Answer as new front ends do; the change is applied, and the run asks about the next one."""
    answer = {"type": "approve", "proposal_id": proposal}
    async with client.threads.stream(thread, assistant_id="steward") as stream:
        async with asyncio.timeout(60):
            while not stream.interrupted:
                await asyncio.sleep(0.02)
        asked = stream.interrupts[-1]
        assert proposal in str(asked["value"])
        with pytest.raises(RuntimeError, match="invalid_argument"):
            await stream.run.respond({"decisions": [{}]}, interrupt_id=asked["interrupt_id"])
        begun = await stream.run.respond(
            {"decisions": [answer]}, interrupt_id=asked["interrupt_id"]
        )
        nodes = set[str]()
        async with asyncio.timeout(60):
            async for event in stream.subscribe(["updates"]):
                nodes.add(event["params"]["data"].get("node"))
                if {"apply", "verify"} <= nodes:
                    break
    assert begun["run_id"]
    outcomes = until(lambda: http.get(f"/v1/proposals/{proposal}").json()["outcomes"][1:])
    assert outcomes[0]["status"] in KEPT
    until(lambda: http.get(f"/threads/{thread}").json()["status"] == "interrupted")


async def reject_as_a_chat_does(client: LangGraphClient, thread: str, proposal: str) -> None:
    """Answer through the graph's own question; what does not fit it is refused."""
    with pytest.raises(UnprocessableEntityError):
        await client.runs.create(thread, "steward", command={"resume": {"decisions": [{}]}})
    answer = {"type": "reject", "message": "not in June", "proposal_id": proposal}
    command: Any = {"resume": {"decisions": [answer]}}
    await client.runs.wait(thread, "steward", command=command)
    with pytest.raises(ConflictError):
        await client.runs.create(thread, "steward", command=command)


async def test_a_product_without_rows_is_refused_through_every_door(
    tmp_path: Path, serve: Any, terminal: Callable[..., Any]
) -> None:
    home = make_home(tmp_path / "home", rows=0)
    words = "No table of sales has a row. Load data into it"
    with serve(home) as (child, url), httpx.Client(base_url=url, timeout=60) as http:
        assert words in refusal(await terminal(invoke, home, "run", "sales"))
        async with Client(f"{url}/mcp") as editor:
            answer = await editor.call_tool("analyse_product", {"product": "sales"})
            assert answer.is_error and words in str(answer.content)
        assert http.get("/v1/runs").json() == []
        assert http.get("/ready").json()["status"] == "ready"
        assert child.stop() == 0
