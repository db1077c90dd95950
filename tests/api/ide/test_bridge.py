"""Messages between standard streams and a service that may be another one the next moment."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest

from api.ide.bridge import Bridge
from api.presence import Serving
from graph.errors import Busy

META = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
Answer = Callable[[httpx2.Request], httpx2.Response]


def request(number: int, method: str, **params: Any) -> JSONRPCRequest:
    return JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)


def answered(asked: httpx2.Request, **headers: str) -> httpx2.Response:
    body = json.loads(asked.content)
    if "id" not in body:
        return httpx2.Response(202)
    result = {"protocolVersion": "2025-11-25"} if body["method"] == "initialize" else {}
    said = {"jsonrpc": "2.0", "id": body["id"], "result": result}
    return httpx2.Response(200, json=said, headers=headers)


async def carried(answer: Answer, *messages: Any, key: str = "", busy: bool = False) -> list[Any]:
    """Carry messages to a service that answers so; returns what the client is told, in order."""
    told: list[Any] = []

    async def reach() -> Serving:
        if busy:
            raise Busy("Another Pillion process works here.")
        return Serving(url="http://127.0.0.1:1", token="own", pid=1)

    async def write(message: SessionMessage) -> None:
        told.append(message.message.model_dump(by_alias=True, exclude_unset=True))

    async def incoming() -> AsyncIterator[Any]:
        for message in messages:
            yield message if isinstance(message, Exception) else SessionMessage(message)
            await anyio.sleep(0.01)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        await Bridge(reach, key, write, http).run(incoming())
    return told


INITIALIZE = request(1, "initialize", protocolVersion="2025-11-25")
INITIALIZED = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")


async def test_a_message_of_today_says_in_headers_what_it_is() -> None:
    seen: list[httpx2.Headers] = []

    def answer(asked: httpx2.Request) -> httpx2.Response:
        seen.append(asked.headers)
        return answered(asked)

    await carried(answer, request(1, "tools/call", name="zäh", **META), key="mine")
    (headers,) = seen
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"].startswith("=?base64?")
    assert headers["authorization"] == "Bearer mine"


async def test_a_lost_session_is_opened_again_and_the_message_sent_again() -> None:
    sessions = iter(("one", "two"))
    methods: list[tuple[str, str]] = []

    def answer(asked: httpx2.Request) -> httpx2.Response:
        method, session = json.loads(asked.content)["method"], asked.headers.get("mcp-session-id")
        methods.append((method, session or ""))
        if method == "initialize":
            return answered(asked, **{"mcp-session-id": next(sessions)})
        if session == "one" and method == "tools/list":
            return httpx2.Response(404, json={})
        return answered(asked)

    told = await carried(answer, INITIALIZE, INITIALIZED, request(2, "tools/list"))
    assert [t["id"] for t in told] == [1, 2]
    assert methods == [
        ("initialize", ""), ("notifications/initialized", "one"), ("tools/list", "one"),
        ("initialize", ""), ("notifications/initialized", "two"), ("tools/list", "two"),
    ]  # fmt: skip


async def test_a_service_that_is_gone_is_looked_for_again() -> None:
    tries: list[int] = []

    def answer(asked: httpx2.Request) -> httpx2.Response:
        tries.append(1)
        if len(tries) == 1:
            raise httpx2.ConnectError("refused")
        return answered(asked)

    (told,) = await carried(answer, request(7, "tools/list", **META))
    assert told["id"] == 7 and "result" in told


async def test_work_that_was_cut_off_is_not_repeated() -> None:
    tries: list[int] = []

    def answer(asked: httpx2.Request) -> httpx2.Response:
        tries.append(1)
        raise httpx2.ReadError("reset")

    (told,) = await carried(answer, request(7, "tools/call", name="analyse_product", **META))
    assert len(tries) == 1
    assert "before you ask again" in told["error"]["message"]


async def test_an_answer_that_ends_without_what_was_asked_for_was_cut_off() -> None:
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}

    def answer(asked: httpx2.Request) -> httpx2.Response:
        text = f"data: {json.dumps(progress)}\n\n"
        return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})

    *_, told = await carried(answer, request(7, "tools/call", name="follow_run", **META))
    assert told["id"] == 7 and "before you ask again" in told["error"]["message"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda asked: httpx2.Response(401, json={"title": "unauthorized", "detail": "No key."}),
            "[unauthorized] No key.",
        ),
        (lambda asked: httpx2.Response(502, text="<html>"), "no answer that is one"),
        (lambda asked: httpx2.Response(200, json={"jsonrpc": "2.0"}), "no answer that is one"),
    ],
)
async def test_a_refusal_before_the_protocol_is_told(answer: Answer, said: str) -> None:
    (told,) = await carried(answer, request(3, "tools/list", **META))
    assert told["id"] == 3 and said in told["error"]["message"]


async def test_a_home_that_another_command_works_in_is_said_so() -> None:
    told = await carried(answered, request(3, "tools/list", **META), INITIALIZED, busy=True)
    assert [t["error"]["message"] for t in told] == ["Another Pillion process works here."]


async def test_what_is_no_message_is_answered_as_such() -> None:
    (told,) = await carried(answered, ValueError("no JSON"))
    assert told["id"] is None and told["error"]["code"] == -32700


async def test_cancelling_leaves_the_request() -> None:
    left: list[str] = []

    async def answer(asked: httpx2.Request) -> httpx2.Response:
        try:
            await anyio.sleep(5)
        finally:
            left.append(json.loads(asked.content)["method"])
        return answered(asked)

    cancelled = JSONRPCNotification(
        jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 4}
    )
    told = await carried(answer, request(4, "tools/call", name="status", **META), cancelled)  # type: ignore[arg-type]
    assert (told, left) == ([], ["tools/call"])


async def test_events_of_a_stream_are_handed_on_one_by_one() -> None:
    def answer(asked: httpx2.Request) -> httpx2.Response:
        progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
        result = {"jsonrpc": "2.0", "id": 5, "result": {}}
        frames = "".join(f"event: message\ndata: {json.dumps(m)}\n\n" for m in (progress, result))
        return httpx2.Response(
            200, text=": ping\n\n" + frames, headers={"content-type": "text/event-stream"}
        )

    told = await carried(answer, request(5, "tools/list", **META))
    assert [t.get("method") or t["id"] for t in told] == ["notifications/progress", 5]
