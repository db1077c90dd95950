"""Runs and streams that outlive the process."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.schema import StreamPart

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.engine.records import RunRow
from graph.engine.requests import RunRequest
from graph.ledger import now
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS
from tests.factories import make_proposal
from tests.ports import free_port
from tools.messages import Principal

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_and_its_reader_go_on_after_a_restart(
    tmp_path: Path, number: int, serve: Any
) -> None:
    port = free_port()
    parts: list[StreamPart] = []
    with serve(tmp_path, port) as (child, url):
        client = get_client(url=url, api_key=None)
        thread = (await client.threads.create())["thread_id"]
        reading = asyncio.create_task(read(url, thread, parts))
        await some(parts, 4)
        await asyncio.to_thread(child.stop, number)
        with serve(tmp_path, port) as (again, _):
            await asyncio.wait_for(reading, 90)
            (run,) = await client.runs.list(thread)
            assert run["status"] == "success"
            assert (await client.threads.get(thread))["status"] == "idle"
            whole = [p async for p in client.runs.join_stream(thread, run["run_id"])]
            await asyncio.to_thread(again.stop)
    assert [(p.id, p.event, p.data) for p in parts] == [(p.id, p.event, p.data) for p in whole]
    steps = [p.data["steps"] for p in parts if p.event == "values"]
    assert steps[-1] == [f"step {n}" for n in reversed(range(STEPS))]
    assert [p.data["attempt"] for p in parts if p.event == "metadata"] == [1, 2]
    if number == signal.SIGTERM:
        # It stopped between two steps, so none was taken twice.
        assert len(steps) == len({len(s) for s in steps}) + 1


async def test_a_stream_without_an_end_is_cut_off_by_a_stop_so_that_clients_come_back(
    tmp_path: Path, serve: Any
) -> None:
    with serve(tmp_path) as (child, url):
        async with httpx.AsyncClient(base_url=url) as http:
            made = (await http.post("/threads", json={})).json()["thread_id"]
            where, wanted = f"/threads/{made}/stream/events", {"channels": ["values"]}
            async with http.stream("POST", where, json=wanted) as answer:
                lines = answer.aiter_lines()
                assert await anext(lines) == ": alive"
                stopping = asyncio.create_task(asyncio.to_thread(child.stop))
                with pytest.raises(httpx.RemoteProtocolError):
                    async for _ in lines:
                        pass
            assert await stopping == 0
        assert child.launcher.stderr is not None and child.launcher.stderr.read() == ""


async def test_runs_that_wait_survive_and_keep_their_order(tmp_path: Path) -> None:
    settings, limits = Settings(home=tmp_path), ServiceSettings(drain_seconds=0)
    async with open_service(settings, limits, GRAPHS) as service:
        slow = await queue(service, left=400, pause=0.05)
        quick = await queue(service, left=1)
        await until_status(service, slow, "running")
    async with open_service(settings, limits, GRAPHS) as service:
        rows = service.engine.records
        assert [r.run_id for r in rows.open_runs("t")] == [slow.run_id, quick.run_id]
        await until_status(service, slow, "running")
        await service.engine.cancel(slow)
        await until_status(service, quick, "success")
        assert rows.run_row(slow.run_id).status == "interrupted"


async def queue(service: Service, **given: Any) -> RunRow:
    service.engine.records.add_thread("t", {})
    request = RunRequest(assistant_id="counter", input=given)
    return await service.engine.submit("t", request, Principal(kind="person", name="ada"))


async def until_status(service: Service, run: RunRow, status: str) -> None:
    async with asyncio.timeout(60):
        while service.engine.records.run_row(run.run_id).status != status:
            await asyncio.sleep(0.02)


async def test_an_offer_expires_by_itself_even_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    async with open_service(settings, ServiceSettings()) as service:
        service.ledger.open_thread("flights-1", "flights", "all")
        at = now()
        soon = make_proposal(created_at=at, expires_at=at + timedelta(seconds=0.5))
        service.ledger.offer("flights-1", [soon], "agent:rank")
        service.ledger.set_thread("flights-1", "waiting")
    async with open_service(settings, ServiceSettings()) as service:
        async with asyncio.timeout(60):
            while (offer := service.ledger.offer_of(soon.id)).decision is None:
                await asyncio.sleep(0.05)
        assert offer.decision.verdict == "expire"
        async with asyncio.timeout(60):
            while service.ledger.undelivered():
                await asyncio.sleep(0.05)
