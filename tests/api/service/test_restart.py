"""Runs and streams that outlive the process."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.schema import StreamPart

from graph.ledger import Ledger, now
from tests.api.service.served import running
from tests.api.service.test_server import free_port
from tests.factories import make_proposal

pytestmark = pytest.mark.timeout(180)
STEPS = 12


async def read(url: str, thread: str, parts: list[StreamPart]) -> None:
    """Read one run to its end, over any restart."""
    client = get_client(url=url, api_key=None, timeout=60)
    slow: Any = {"left": STEPS, "pause": 0.25}
    async for part in client.runs.stream(thread, "counter", input=slow, stream_mode="values"):
        parts.append(part)


async def some(parts: list[StreamPart], count: int) -> None:
    while len(parts) < count:
        await asyncio.sleep(0.05)


async def stop(child: subprocess.Popen[str], number: int) -> None:
    child.send_signal(number)
    await asyncio.to_thread(child.wait, 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_and_its_reader_go_on_after_a_restart(tmp_path: Path, number: int) -> None:
    port = free_port()
    parts: list[StreamPart] = []
    with running(tmp_path, port) as (child, url):
        client = get_client(url=url, api_key=None)
        thread = (await client.threads.create())["thread_id"]
        reading = asyncio.create_task(read(url, thread, parts))
        await some(parts, 4)
        await stop(child, number)
        with running(tmp_path, port) as (again, _):
            await asyncio.wait_for(reading, 90)
            (run,) = await client.runs.list(thread)
            assert run["status"] == "success"
            assert (await client.threads.get(thread))["status"] == "idle"
            whole = [p async for p in client.runs.join_stream(thread, run["run_id"])]
            await stop(again, signal.SIGTERM)
    assert [(p.id, p.event, p.data) for p in parts] == [(p.id, p.event, p.data) for p in whole]
    steps = [p.data["steps"] for p in parts if p.event == "values"]
    assert steps[-1] == [f"step {n}" for n in reversed(range(STEPS))]
    assert [p.data["attempt"] for p in parts if p.event == "metadata"] == [1, 2]
    if number == signal.SIGTERM:
        # It stopped between two steps, so none was taken twice.
        assert len(steps) == len({len(s) for s in steps}) + 1


async def test_runs_that_wait_survive_and_keep_their_order(tmp_path: Path) -> None:
    with running(tmp_path) as (child, url):
        client = get_client(url=url, api_key=None)
        thread = (await client.threads.create())["thread_id"]
        slow: Any = {"left": 40, "pause": 0.25}
        first = await client.runs.create(thread, "counter", input=slow)
        second = await client.runs.create(thread, "counter", input={"left": 1})
        later = await client.runs.create(None, "counter", input={"left": 1}, after_seconds=1)
        await stop(child, signal.SIGKILL)
    with running(tmp_path) as (child, url):
        client = get_client(url=url, api_key=None)
        await client.runs.join(later["thread_id"], later["run_id"])
        await client.runs.cancel(thread, first["run_id"], wait=True)
        await client.runs.join(thread, second["run_id"])
        statuses = {r["run_id"]: r["status"] for r in await client.runs.list(thread)}
        assert statuses == {first["run_id"]: "interrupted", second["run_id"]: "success"}
        await stop(child, signal.SIGTERM)


async def test_an_offer_expires_by_itself_even_after_a_restart(tmp_path: Path) -> None:
    at = now()
    with closing(Ledger(tmp_path / "ledger.db")) as ledger:
        ledger.open_thread("flights-1", "flights", "all")
        soon = make_proposal(created_at=at, expires_at=at + timedelta(seconds=1))
        ledger.offer("flights-1", [soon], "agent:rank")
        ledger.set_thread("flights-1", "waiting")
    with running(tmp_path) as (child, _):
        for _ in range(200):
            if decided(tmp_path):
                break
            await asyncio.sleep(0.1)
        await stop(child, signal.SIGTERM)
    assert decided(tmp_path) == ["expire"]


def decided(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "ledger.db")) as con:
        found = con.execute("SELECT body ->> '$.verdict' FROM decisions").fetchall()
    return [row[0] for row in found]
