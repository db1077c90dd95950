"""A key that ends, ends what it has opened."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket

from api.service import sockets, streams
from api.service.access import Caller
from api.service.problems import Refused
from api.service.rates import Rate
from api.service.service import Service
from api.service.sockets import Socket
from api.service.streams import Awaited, thread_stream
from graph.engine.event_log import Entry
from graph.engine.requests import RunRequest

ENTRY = Entry("values", "values", b"{}")
SUBSCRIBE = {"id": 1, "method": "subscription.subscribe", "params": {"channels": ["values"]}}


class Line:
    """A WebSocket whose client says what a test wants."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.said: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    async def accept(self) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        said = await self.said.get()
        if said is None:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "text" if isinstance(said, str) else "bytes": said}

    async def send_text(self, text: str) -> None:
        self.told.put_nowait(json.loads(text))

    async def close(self, code: int, reason: str = "") -> None:
        self.told.put_nowait(code)

    async def ask(self, command: Any) -> Any:
        self.said.put_nowait(json.dumps(command))
        async with asyncio.timeout(20):
            return await self.told.get()


@pytest.fixture(autouse=True)
def always_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (streams, sockets):
        monkeypatch.setattr(module, "CHECK_SECONDS", 0)


@pytest.fixture
def headers(service: Service) -> dict[str, str]:
    service.engine.records.add_thread("t", {"graph_id": "steward"})
    return {"authorization": f"Bearer {service.access.keys.add('bob', 'person', {'*': 'viewer'})}"}


@pytest.fixture
async def caller(service: Service, headers: dict[str, str]) -> Caller:
    return await service.access.authenticate(headers)


def tell(service: Service) -> None:
    service.engine.records.append("t", "r", ENTRY)


async def test_a_stream(service: Service, caller: Caller) -> None:
    tell(service)
    answer = thread_stream(service.engine, caller, "t", 0, ["run_modes"])
    frames = cast(Any, answer.body_iterator)
    assert b"event: values" in await anext(frames)
    service.access.keys.revoke("bob")
    tell(service)
    with pytest.raises(StopAsyncIteration):
        await anext(frames)


@pytest.mark.parametrize("way", ["events", "commands"])
async def test_a_socket(
    service: Service, caller: Caller, headers: dict[str, str], way: str
) -> None:
    line = Line(headers)
    serving = asyncio.create_task(Socket(cast(WebSocket, line), service, caller, "t").run())
    assert (await line.ask(SUBSCRIBE))["type"] == "success"
    tell(service)
    assert (await line.told.get())["method"] == "values"
    service.access.keys.revoke("bob")
    if way == "events":
        tell(service)
        told = await line.told.get()
    else:
        told = await line.ask({"id": 2, "method": "state.get"})
    assert told == 4401
    await serving


async def test_commands_of_a_socket_count_as_requests(
    service: Service, caller: Caller, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(headers)
    serving = asyncio.create_task(Socket(cast(WebSocket, line), service, caller, "t").run())

    def refuse(self: Rate, name: str) -> None:
        refused = Refused(429, "too_many_requests", "Slow down.")
        refused.headers["retry-after"] = "0"
        raise refused

    with monkeypatch.context() as patch:
        patch.setattr(Rate, "check", refuse)
        told = await line.ask(SUBSCRIBE)
    assert (told["id"], told["error"], told["message"]) == (1, "unknown_error", "Slow down.")
    assert (await line.ask(SUBSCRIBE))["type"] == "success"
    line.said.put_nowait(None)
    await serving


async def test_an_awaited_result(service: Service, caller: Caller) -> None:
    run = service.engine.records.add_run("t", "steward", RunRequest(assistant_id="steward"))
    sent: list[Any] = []
    stays = asyncio.Event()

    async def receive() -> Any:
        await stays.wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            service.access.keys.revoke("bob")

    async with asyncio.timeout(20):
        await Awaited(service.engine, caller, run)({}, receive, send)
    assert [m.get("more_body") for m in sent] == [None, True, True]


async def test_a_message_in_bytes_closes_the_socket(
    service: Service, headers: dict[str, str], caller: Caller
) -> None:
    line = Line(headers)
    line.said.put_nowait(b"\x00")
    async with asyncio.timeout(20):
        await Socket(cast(WebSocket, line), service, caller, "t").run()
    assert await line.told.get() == 1003


async def test_a_thread_of_another_product_is_as_good_as_none(service: Service) -> None:
    service.engine.records.add_thread("t", {"graph_id": "steward", "product": "secret"})
    tell(service)
    run = service.engine.records.add_run("t", "steward", RunRequest(assistant_id="steward"))
    key = service.access.keys.add("eve", "person", {"flights": "viewer"})
    headers = {"authorization": f"Bearer {key}"}
    line = Line(headers)
    eve = await service.access.authenticate(headers)
    serving = asyncio.create_task(Socket(cast(WebSocket, line), service, eve, "t").run())
    known = await line.ask(SUBSCRIBE)
    assert known["meta"]["applied_through_seq"] == 0
    params = {"run_id": run.run_id, "subscriptions": []}
    gone = await line.ask({"id": 2, "method": "subscription.reconnect", "params": params})
    assert gone["error"] == "no_such_run"
    line.said.put_nowait(None)
    await serving
