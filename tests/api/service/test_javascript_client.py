"""The LangGraph JavaScript client, unchanged, against a served process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node_packages import NODE, ROOT, installed, node_environment
from tests.ports import free_port

SCENARIOS = ROOT / "tests" / "javascript" / "langgraph"
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("langgraph client")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Any) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("home")) as (_, where):
        yield where


def started(name: str, url: str, *more: str) -> subprocess.Popen[str]:
    environment = {**node_environment(), "NODE_MODULES": str(installed(SCENARIOS))}
    return subprocess.Popen(
        [NODE, SCENARIOS / f"{name}.mjs", url, *more],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def played(name: str, url: str, *more: str) -> Any:
    """Play a scenario and return what it says."""
    with started(name, url, *more) as child:
        out, complaint = child.communicate(timeout=90)
    assert child.returncode == 0, complaint
    return json.loads(out)


def test_runs_are_streamed_joined_and_waited_for(url: str) -> None:
    said = played("stream", url)
    assert {"metadata", "values", "updates", "tasks", "checkpoints", "debug"} < set(said["names"])
    assert said["joinedAll"] and said["joinedRest"]
    assert (said["text"], said["waited"]["left"]) == ("one two three", 0)
    assert "ValueError" in said["failed"] and said["status"] == "error"


def test_questions_are_answered_by_id(url: str) -> None:
    said = played("interrupt", url)
    assert (said["refusals"], said["last"], said["pending"]) == ([422, 409, 409], "end", 2)
    assert said["answers"]["c"] == {"ok": False, "note": "no"}


@pytest.mark.parametrize("transport", ["sse", "websocket"])
def test_the_newer_protocol_is_spoken(url: str, transport: str) -> None:
    said = played("protocol", url, transport)
    assert said["seen"][-1] == 0 and said["output"]["steps"] == ["step 1", "step 0"]
    assert said["refused"] == "no_such_interrupt"
    assert set(said["answered"]) == {"a", "b"}
    assert (said["tree"]["graph_name"], said["tree"]["status"]) == ("asker", "completed")
    assert said["texts"][-1] == "one two three"
    # The client yields a call when it starts and when it ends.
    assert said["calls"] == [["adder", "3"]] * 2
    assert said["sum"] == {"of": [1, 2]}


async def test_a_run_is_read_whole_over_a_killed_server(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    with serve(tmp_path, port) as (child, url), started("reconnect", url) as script:
        assert script.stdout is not None
        begun = json.loads(await asyncio.to_thread(script.stdout.readline))
        assert begun["run"]
        await asyncio.to_thread(child.stop, signal.SIGKILL)
        with serve(tmp_path, port) as (again, _):
            out, complaint = await asyncio.to_thread(script.communicate, None, 90)
            await asyncio.to_thread(again.stop)
    assert script.returncode == 0, complaint
    said = json.loads(out)
    assert said["parts"] == said["whole"]
    steps = [data["steps"] for _, event, data in said["parts"] if event == "values"]
    assert steps[-1] == [f"step {n}" for n in reversed(range(8))]
