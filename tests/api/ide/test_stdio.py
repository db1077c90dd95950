"""`pillion mcp` as editors start it: the first one serves the home, the next ones find it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import ElicitRequestFormParams, ElicitResult

from graph.ledger import Ledger
from graph.settings import Settings
from tests.api.ide.clients import callback, offer, proposal, says
from tests.commands import environment, invoke, refusal
from tests.preforked import preforked

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[3]


PRELOADED = ("api.cli.main", "api.ide.stdio", "api.service.server", "mcp")
"""The last one stands in the command line of every fork: a window knows another's process by it."""
Editor = Callable[..., Client]


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """Return clients of an editor's windows; their processes need not import everything again."""

    def person(form: ElicitRequestFormParams) -> ElicitResult:
        return says("reject", "not now")

    with preforked(tmp_path_factory.mktemp("windows"), *PRELOADED) as python:

        def window(home: Path, mode: str, **settings: str) -> Client:
            command = StdioServerParameters(
                command=str(python), args=["-m", "api.cli.main", "mcp"], cwd=ROOT,
                env={**os.environ, **environment(home, **settings)},
            )  # fmt: skip
            return Client(command, mode=mode, elicitation_callback=callback(person), cache=None)

        yield window


async def called(client: Client, tool: str, **given: Any) -> Any:
    result = await client.call_tool(tool, given)
    assert not result.is_error, result.content
    return result.structured_content


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two proposals of a run that waits for their answers."""
    descriptor = tmp_path / "products" / "sales" / "product.odps.yaml"
    descriptor.parent.mkdir(parents=True)
    descriptor.touch()
    ledger = Ledger(Settings(home=tmp_path).ledger_path)
    offer(ledger, proposal(id="p1"), proposal(id="p2"))
    ledger.set_thread("sales-1", "waiting")
    ledger.close()
    return tmp_path


async def test_two_windows_share_one_home_and_one_queue(home: Path, editor: Editor) -> None:
    async with editor(home, "legacy") as first:
        found = await called(first, "status")
        assert (found["principal"]["name"], found["can_ask_person"]) == ("ada", True)
        at = json.loads((home / "service.json").read_bytes())
        assert (home / "service.json").stat().st_mode & 0o077 == 0
        assert at["url"] in refusal(invoke(home, "serve"))
        async with editor(home, "auto") as second:
            assert json.loads((home / "service.json").read_bytes()) == at
            given = {"proposal_id": "p1", "wait_seconds": 0}
            (told,) = (await called(second, "review_proposals", **given))["answered"]
            assert told["said"] == "recorded: reject"
        (told,) = (await called(first, "review_proposals", **given))["answered"]
        assert "was already answered: reject" in told["said"]
        given["proposal_id"] = "p2"
        (told,) = (await called(first, "review_proposals", **given))["answered"]
        assert told["status"] == "rejected"
    assert not (home / "service.json").exists()


async def test_a_window_outlives_the_one_that_served_it(home: Path, editor: Editor) -> None:
    async with editor(home, "legacy"), editor(home, "legacy") as second:
        assert (await called(second, "status"))["products"][0]["waiting"] == 2
        served = psutil.Process(json.loads((home / "service.json").read_bytes())["pid"])
        served.kill()
        served.wait(30)
        # Its session was the other one's; it is opened again at a service of its own.
        assert (await called(second, "status"))["products"][0]["waiting"] == 2


async def test_a_window_may_have_a_key_of_its_own(home: Path, editor: Editor) -> None:
    made = invoke(home, "keys", "add", "robot", "--role", "admin", "--agent", "--json")
    key = json.loads(made.stdout)["secret"]
    async with editor(home, "auto", PILLION_MCP_KEY=key) as robot:
        assert (await called(robot, "status"))["principal"]["kind"] == "agent"
        refused = await robot.call_tool("decide", {"proposal_id": "p1", "verdict": "approve"})
        assert refused.is_error and "[forbidden]" in str(refused.content)
        async with editor(home, "2026-07-28", PILLION_MCP_KEY="pil_wrong") as stranger:
            with pytest.raises(MCPError, match="unauthorized"):
                await stranger.call_tool("status", {})
