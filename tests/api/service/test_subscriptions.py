"""Subscriptions that share one connection, made while others are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from api.service import sockets
from api.service.app import build_app
from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS

RUN = {"assistant_id": "counter", "input": {"left": 2}}
ENDED = {"event": "completed", "graph_name": "counter"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(home=tmp_path / "home", principal="ada")
    async with open_service(settings, ServiceSettings(), GRAPHS) as opened:
        yield opened


class Line:
    """A client's end of a connection, which acts on a message before the service sends on."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.on_message: Callable[[Any], Awaitable[None]] | None = None
        self._asked: asyncio.Queue[Any] = asyncio.Queue()
        self._asked.put_nowait({"type": "websocket.connect"})
        self._came = asyncio.Condition()

    def ask(self, number: int, method: str, **params: Any) -> None:
        text = json.dumps({"id": number, "method": method, "params": params})
        self._asked.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self._asked.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def receive(self) -> Any:
        return await self._asked.get()

    async def send(self, message: Any) -> None:
        if "text" not in message:
            return
        one = json.loads(message["text"])
        async with self._came:
            self.got.append(one)
            self._came.notify_all()
        if self.on_message is not None:
            await self.on_message(one)

    async def until(self, found: Callable[[Any], bool]) -> None:
        async with asyncio.timeout(20), self._came:
            await self._came.wait_for(lambda: any(map(found, self.got)))

    def told(self, method: str) -> list[Any]:
        return [m["params"]["data"] for m in self.got if m.get("method") == method]


@pytest.fixture
async def line(service: Service) -> AsyncIterator[Line]:
    """A connection to a thread whose one run has ended."""
    talk = Line()
    where = "/threads/t/stream/events"
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": where,
        "raw_path": where.encode(), "query_string": b"", "root_path": "", "subprotocols": [],
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }  # fmt: skip
    serving = asyncio.create_task(build_app(service)(scope, talk.receive, talk.send))
    talk.ask(1, "run.start", **RUN)
    async with asyncio.timeout(20):
        while not any(
            json.loads(data) == ENDED
            for run in service.engine.records.runs_of("t", limit=1)
            for _, data in service.engine.records.named(run.run_id, "lifecycle")
        ):
            await asyncio.sleep(0.01)
    yield talk
    talk.leave()
    await serving


async def test_a_subscription_misses_nothing_that_was_sent_to_another_meanwhile(line: Line) -> None:
    async def subscribe_too(message: Any) -> None:
        if line.told("values") and line.told("values")[-1]["left"] == 0:
            line.on_message = None
            line.ask(3, "subscription.subscribe", channels=["updates"])
            await line.until(lambda m: m.get("id") == 3)

    line.on_message = subscribe_too
    line.ask(2, "subscription.subscribe", channels=["values", "lifecycle"])
    await line.until(lambda m: m.get("method") == "updates")
    await line.until(lambda m: m.get("params", {}).get("data") == ENDED)
    assert [values.get("left") for values in line.told("values")] == [2, 1, 0]
    assert [each["values"]["left"] for each in line.told("updates")] == [1, 0]
    assert [each["event"] for each in line.told("lifecycle")] == ["running", "completed"]


async def test_what_is_subscribed_to_in_one_go_is_told_in_one_order(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine may be so busy that the second takes longer than it would.
    monkeypatch.setattr(sockets, "TOGETHER_SECONDS", 1.0)

    async def subscribe_too(message: Any) -> None:
        if message.get("id") == 2:
            line.on_message = None
            asked = asyncio.get_running_loop().call_later
            asked(0.005, lambda: line.ask(3, "subscription.subscribe", channels=["values"]))

    line.on_message = subscribe_too
    line.ask(2, "subscription.subscribe", channels=["lifecycle"])
    await line.until(lambda m: m.get("id") == 3)
    await line.until(lambda m: m.get("params", {}).get("data") == ENDED)
    assert [values.get("left") for values in line.told("values")] == [2, 1, 0]
    seqs = [m["seq"] for m in line.got if m["type"] == "event"]
    assert seqs == sorted(seqs)
