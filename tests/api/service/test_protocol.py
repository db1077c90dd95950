"""The newer protocol, as the LangGraph Python client speaks it, against a served process."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import websockets
from langgraph_sdk.client import LangGraphClient

TALK: Any = {"messages": [{"role": "user", "content": "hi"}]}
ALL = [
    "values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks",
    "custom",
]  # fmt: skip
TRANSPORTS: Any = pytest.mark.parametrize("transport", ["sse", "websocket"])
# One server for all of them, whichever worker has it.
pytestmark = pytest.mark.xdist_group("langgraph client")


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as opened:
        yield opened


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


async def send(http: httpx.AsyncClient, thread: str, method: str, **params: Any) -> Any:
    body = {"id": 7, "method": method, "params": params}
    answer = await http.post(f"/threads/{thread}/commands", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == 7
    return answer.json()


def ended(event: Any) -> bool:
    data = event["params"]["data"]
    root = event["method"] == "lifecycle" and not event["params"]["namespace"]
    return root and data["event"] in ("completed", "failed", "interrupted")


async def read(http: httpx.AsyncClient, thread: str, **wanted: Any) -> list[Any]:
    """Return a thread's events to the end of its latest run."""
    runs = len((await http.get(f"/threads/{thread}/runs")).json())
    found: list[Any] = []
    body = {"channels": ALL, **wanted}
    async with (
        asyncio.timeout(30),
        http.stream("POST", f"/threads/{thread}/stream/events", json=body) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
                if sum(map(ended, found)) == runs:
                    break
    return found


def told(events: list[Any], method: str) -> list[Any]:
    return [e["params"]["data"] for e in events if e["method"] == method]


@TRANSPORTS
async def test_a_run_is_started_followed_and_its_output_read(
    client: LangGraphClient, transport: Any
) -> None:
    async with client.threads.stream(assistant_id="counter", transport=transport) as stream:
        started = await stream.run.start(input={"left": 2})
        assert started["run_id"]
        seen = [values.get("left") async for values in stream.values]
        output = await stream.output.with_timeout(20)
    assert seen[-1] == 0 and output["steps"] == ["step 1", "step 0"]


@TRANSPORTS
async def test_questions_are_answered_one_by_one_until_the_run_completes(
    client: LangGraphClient, transport: Any
) -> None:
    async with client.threads.stream(assistant_id="asker", transport=transport) as stream:
        await stream.run.start(input={"names": ["a", "b"]})
        async with asyncio.timeout(20):
            while len(stream.interrupts) < 2:
                await asyncio.sleep(0.02)
        asked = {i["value"]["question"]: i["interrupt_id"] for i in stream.interrupts}
        with pytest.raises(RuntimeError, match="invalid_argument"):
            await stream.run.respond({"ok": "perhaps"}, interrupt_id=asked["a"])
        await stream.run.respond({"ok": True}, interrupt_id=asked["a"])
        async with asyncio.timeout(20):
            while (await client.threads.get(stream.thread_id))["status"] != "interrupted":
                await asyncio.sleep(0.02)
        with pytest.raises(RuntimeError, match="no_such_interrupt"):
            await stream.run.respond({"ok": True}, interrupt_id=asked["a"])
        await stream.run.respond({"ok": False, "note": "no"}, interrupt_id=asked["b"])
        output = await stream.output.with_timeout(20)
    assert output["answers"]["b"] == {"ok": False, "note": "no"}


async def test_messages_and_subgraphs_arrive_as_the_client_projects_them(
    client: LangGraphClient,
) -> None:
    async with client.threads.stream(assistant_id="talker") as stream:
        await stream.run.start(input=TALK)
        async with asyncio.timeout(20):
            (inner,) = [handle async for handle in stream.subgraphs]
            messages = [message async for message in inner.messages]
            texts = [await message.text for message in messages]
    assert (inner.graph_name, inner.status, texts) == ("inner", "completed", ["one two three"])


async def test_tools_and_named_events_arrive_as_the_client_projects_them(
    client: LangGraphClient,
) -> None:
    async with client.threads.stream(assistant_id="tooled") as stream:
        await stream.run.start(input=TALK)
        async with asyncio.timeout(20):
            (called,) = [handle async for handle in stream.tool_calls]
            assert (await called.output)["content"] == "3"
    async with client.threads.stream(stream.thread_id, assistant_id="tooled") as stream:
        async with asyncio.timeout(20):
            (sums,) = [event async for event in stream.extensions["sum"]]
    assert (called.name, called.input) == ("adder", {"a": 1, "b": 2})
    assert sums == {"name": "sum", "payload": {"of": [1, 2]}}


async def test_the_steps_of_a_run_are_told_in_their_order(
    http: httpx.AsyncClient, thread: str
) -> None:
    await send(http, thread, "run.start", assistant_id="tooled", input=TALK)
    events = await read(http, thread)
    assert told(events, "lifecycle")[0] == {"event": "running", "graph_name": "tooled"}
    assert told(events, "lifecycle")[-1]["event"] == "completed"
    answer = [e for e in told(events, "messages") if e["message_id"] not in ("", None)][-7:]
    assert [e["event"] for e in answer][:2] + [e["event"] for e in answer][-2:] == [
        "content-block-delta", "content-block-delta", "content-block-finish", "message-finish",
    ]  # fmt: skip
    assert answer[-2]["content"] == {"type": "text", "text": "one two three"}
    assert [t["event"] for t in told(events, "tools")] == ["tool-started", "tool-finished"]
    assert {"node": "call", "values": told(events, "updates")[0]["values"]} == (
        told(events, "updates")[0]
    )
    assert {"payload": {"kind": "progress"}} in told(events, "custom")
    order = [e["method"] for e in events if e["method"] in ("checkpoints", "values")]
    assert order == ["checkpoints"] + ["checkpoints", "values"] * 4
    names = told(events, "checkpoints")
    assert [n["step"] for n in names] == [-1, 0, 1, 2, 3]
    assert [n["parent_id"] for n in names[1:]] == [n["id"] for n in names[:-1]]


async def test_numbers_are_given_before_anybody_filters(
    http: httpx.AsyncClient, thread: str
) -> None:
    await send(http, thread, "run.start", assistant_id="talker", input=TALK)
    every = await read(http, thread)
    seqs = [e["seq"] for e in every]
    assert seqs == sorted(set(seqs))
    some = await read(http, thread, channels=["values", "lifecycle"])
    known = {e["seq"]: e for e in every}
    assert some == [known[e["seq"]] for e in some] and len(some) < len(every)
    middle = some[2]["seq"]
    rest = await read(http, thread, channels=["values", "lifecycle"], since=middle)
    assert rest == some[3:]
    assert await read(http, thread, since=10**15) == every
    assert len({e["event_id"] for e in every}) == len(every)


async def test_namespaces_and_depth_choose(http: httpx.AsyncClient, thread: str) -> None:
    await send(http, thread, "run.start", assistant_id="talker", input=TALK)
    events = await read(http, thread, namespaces=[[]], depth=0)
    assert {len(e["params"]["namespace"]) for e in events} == {0}
    assert {len(e["params"]["namespace"]) for e in await read(http, thread)} == {0, 1}


async def test_commands_that_cannot_be_done_say_why(http: httpx.AsyncClient, thread: str) -> None:
    async def code(method: str, **params: Any) -> str:
        answer = await send(http, thread, method, **params)
        assert answer["type"] == "error" and answer["message"]
        return str(answer["error"])

    assert await code("state.get") == "no_such_run"
    await send(http, thread, "run.start", assistant_id="asker", input={"names": ["a"]})
    await read(http, thread)
    assert await code("no.such") == "unknown_command"
    assert await code("run.start") == "invalid_argument"
    assert await code("run.start", assistant_id="nobody") == "invalid_argument"
    assert await code("run.start", assistant_id="counter") == "invalid_argument"
    assert await code("input.respond") == "invalid_argument"
    assert await code("input.respond", interrupt_id="x", response=1) == "invalid_argument"
    assert await code("input.respond", interrupt_id="0" * 32) == "no_such_interrupt"
    assert await code("input.inject", message={}) == "not_supported"
    assert await code("subscription.subscribe", channels=["values"]) == "not_supported"
    assert await code("agent.getTree", run_id="nothing") == "no_such_run"
    assert await code("state.get", namespace=["nowhere"]) == "no_such_namespace"
    missing = str(uuid.uuid4())
    assert await code("state.fork", checkpoint_id=missing, input={}) == "no_such_checkpoint"


async def test_several_answers_in_one_command_and_what_it_says_of_them(
    http: httpx.AsyncClient, thread: str
) -> None:
    await send(http, thread, "run.start", assistant_id="asker", input={"names": ["a", "b"]})
    events = await read(http, thread)
    ids = [q["interrupt_id"] for q in told(events, "input.requested")]
    responses = [{"namespace": [], "interrupt_id": i, "response": {"ok": True}} for i in ids]
    done = await send(http, thread, "input.respond", responses=responses)
    assert done["meta"]["applied_through_seq"] == events[-1]["seq"]
    rest = (await read(http, thread))[len(events) :]
    assert told(rest, "input.answered") == [{"interrupt_ids": ids}]
    assert told(rest, "lifecycle")[-1]["event"] == "completed"
    tree = (await send(http, thread, "agent.getTree"))["result"]["tree"]
    assert (tree["graph_name"], tree["status"]) == ("asker", "completed")
    state = (await send(http, thread, "state.get", keys=["answers"]))["result"]
    assert set(state["values"]) == {"answers"}
    listed = (await send(http, thread, "state.listCheckpoints", limit=2))["result"]["checkpoints"]
    assert listed[0]["id"] == state["checkpoint"]["id"] and len(listed) == 2


async def test_a_thread_is_forked_from_an_earlier_checkpoint(
    http: httpx.AsyncClient, thread: str
) -> None:
    await send(http, thread, "run.start", assistant_id="counter", input={"left": 2})
    first = await read(http, thread)
    middle = told(first, "checkpoints")[2]["id"]
    for method, more in (
        ("state.fork", {"checkpoint_id": middle}),
        (
            "run.start",
            {"assistant_id": "counter", "config": {"configurable": {"checkpoint_id": middle}}},
        ),
    ):
        assert (await send(http, thread, method, **more))["type"] == "success"
        values = told(await read(http, thread), "values")
        assert values[-1]["steps"] == ["step 1", "step 0"]


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
async def test_who_follows_learns_that_a_run_was_cancelled(
    http: httpx.AsyncClient, thread: str, action: str
) -> None:
    slow = {"left": 50, "pause": 0.2}
    begun = await send(http, thread, "run.start", assistant_id="counter", input=slow)
    run = begun["result"]["run_id"]
    following = asyncio.create_task(read(http, thread, channels=["lifecycle"]))
    await asyncio.sleep(0.4)
    await http.post(f"/threads/{thread}/runs/{run}/cancel", params={"action": action})
    events = await following
    assert [e["event"] for e in told(events, "lifecycle")] == ["running", "interrupted"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channels": []},
        {"channels": ["nothing"]},
        {"channels": ["custom:"]},
        {"channels": ["values"], "depth": -1},
        {"channels": ["values"], "since": "x"},
        {"channels": ["values"], "namespaces": "inner"},
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(
    http: httpx.AsyncClient, thread: str, body: Any
) -> None:
    await send(http, thread, "run.start", assistant_id="counter", input={"left": 1})
    answer = await http.post(f"/threads/{thread}/stream/events", json=body)
    assert answer.status_code == 422


async def test_a_thread_that_is_not_there_has_no_events(http: httpx.AsyncClient) -> None:
    body = {"channels": ["values"]}
    assert (await http.post("/threads/nothing/stream/events", json=body)).status_code == 404


async def test_one_connection_takes_commands_and_several_subscriptions(
    url: str, http: httpx.AsyncClient, thread: str
) -> None:
    where = f"{url.replace('http', 'ws', 1)}/threads/{thread}/stream/events"
    await send(http, thread, "run.start", assistant_id="asker", input={"names": ["a"]})
    async with asyncio.timeout(30), websockets.connect(where) as line:

        async def ask(number: int, method: str, **params: Any) -> Any:
            await line.send(json.dumps({"id": number, "method": method, "params": params}))
            while (found := json.loads(await line.recv())).get("id") != number:
                events.append(found)
            return found

        events: list[Any] = []
        one = await ask(1, "subscription.subscribe", channels=["input", "lifecycle"])
        while not any(map(ended, events)):
            events.append(json.loads(await line.recv()))
        (question,) = told(events, "input.requested")
        both = await ask(2, "subscription.subscribe", channels=["values", "lifecycle"])
        assert one["result"] != both["result"]
        answer = {"interrupt_id": question["interrupt_id"], "response": {"ok": True}}
        assert (await ask(3, "input.respond", **answer))["type"] == "success"
        while not (ended(events[-1]) and told(events[-1:], "lifecycle")[0]["event"] == "completed"):
            events.append(json.loads(await line.recv()))
        assert told(events, "values")[-1]["answers"] == {"a": {"ok": True, "note": ""}}
        (name,) = one["result"].values()
        assert (await ask(4, "subscription.unsubscribe", subscription_id=name))["result"] == {}
        gone = await ask(5, "subscription.unsubscribe", subscription_id=name)
        assert gone["error"] == "no_such_subscription"
        for bad in ("{", "[]", '{"id": 6}', "[" * 5000):
            await line.send(bad)
            assert json.loads(await line.recv())["error"] == "invalid_argument"


async def test_a_connection_may_come_before_its_thread_and_ends_with_it(
    url: str, client: LangGraphClient, thread: str
) -> None:
    where = f"{url.replace('http', 'ws', 1)}/threads/{thread}/stream/events"
    async with asyncio.timeout(30), websockets.connect(where) as line:
        for number, method, params in (
            (1, "state.get", {}),
            (2, "subscription.subscribe", {"channels": ["lifecycle"]}),
            (3, "run.start", {"assistant_id": "counter", "input": {"left": 1}}),
        ):
            await line.send(json.dumps({"id": number, "method": method, "params": params}))
        kinds = [json.loads(await line.recv()) for _ in range(5)]
        assert [k.get("error") for k in kinds if k["type"] == "error"] == ["no_such_run"]
        assert [e["event"] for e in told([k for k in kinds if "method" in k], "lifecycle")] == [
            "running", "completed",
        ]  # fmt: skip
        await client.threads.delete(thread)
        with pytest.raises(websockets.ConnectionClosedOK):
            await line.recv()


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [("https://evil.example", "127.0.0.1", 403), (None, "evil.example", 421)],
)
async def test_a_page_of_another_site_gets_no_connection(
    url: str, origin: Any, host: str, status: int
) -> None:
    port = int(url.rpartition(":")[2])
    where = f"ws://{host}:{port}/threads/nothing/stream/events"
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(where, origin=origin, host="127.0.0.1", port=port):
            pass
    assert caught.value.response.status_code == status
