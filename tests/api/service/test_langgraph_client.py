"""The LangGraph Python client, unchanged, against a served process."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import (
    APIStatusError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.api.service.questions import asked

COUNT = {"left": 2}
# One server for all of them, whichever worker has it.
pytestmark = pytest.mark.xdist_group("langgraph client")


@pytest.fixture
async def thread(client: LangGraphClient) -> str:
    return str((await client.threads.create())["thread_id"])


async def events(stream: Any) -> list[tuple[str, Any]]:
    return [(part.event, part.data) async for part in stream]


async def test_assistants_are_found_by_name_and_by_id(client: LangGraphClient) -> None:
    found = {a["graph_id"]: a for a in await client.assistants.search()}
    assert set(found) == {"steward", "counter", "asker", "talker", "tooled"}
    steward = await client.assistants.get(found["steward"]["assistant_id"])
    assert steward == await client.assistants.get("steward")
    assert await client.assistants.count(graph_id="asker") == 1
    nodes = {n["id"] for n in (await client.assistants.get_graph("steward"))["nodes"]}
    assert {"supervise", "approve", "apply"} <= nodes
    schemas = await client.assistants.get_schemas("steward")
    assert set(schemas["input_schema"]["properties"]) == {"product", "agents"}
    with pytest.raises(NotFoundError):
        await client.assistants.get("nobody")


async def test_threads_are_made_found_changed_and_deleted(client: LangGraphClient) -> None:
    made = await client.threads.create(metadata={"team": "red", "n": 7}, graph_id="counter")
    key = made["thread_id"]
    assert (made["status"], made["values"]) == ("idle", None)
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=key)
    again = await client.threads.create(thread_id=key, if_exists="do_nothing")
    assert again["metadata"]["team"] == "red"
    await client.threads.update(key, metadata={"team": "blue"})
    assert await client.threads.count(metadata={"team": "blue", "n": 7}) == 1
    assert await client.threads.count(metadata={"team": "red"}) == 0
    assert [t["thread_id"] for t in await client.threads.search(ids=[key])] == [key]
    await client.threads.delete(key)
    with pytest.raises(NotFoundError):
        await client.threads.get(key)


async def test_every_stream_mode_arrives_and_the_end_is_told(
    client: LangGraphClient, thread: str
) -> None:
    modes: Any = ["values", "updates", "tasks", "checkpoints", "debug", "events", "custom"]
    got = await events(client.runs.stream(thread, "counter", input=COUNT, stream_mode=modes))
    assert got[0][0] == "metadata" and got[-1] == ("end", None)
    assert {e for e, _ in got} == {*modes, "metadata", "end"} - {"custom"}
    assert [d for e, d in got if e == "updates"][0] == {"step": {"steps": ["step 1"], "left": 1}}
    shown = str([d for e, d in got if e in ("checkpoints", "debug", "events")])
    assert "__pregel_" not in shown.replace("__pregel_pull", "")
    assert (await client.threads.get(thread))["values"]["left"] == 0


async def test_messages_come_as_deltas_and_as_growing_wholes_from_subgraphs(
    client: LangGraphClient,
) -> None:
    talk: Any = {"messages": [{"role": "user", "content": "hi"}]}
    modes: Any = ["messages", "messages-tuple"]
    got = await events(
        client.runs.stream(None, "talker", input=talk, stream_mode=modes, stream_subgraphs=True)
    )
    deltas = [d[0]["content"] for e, d in got if e.startswith("messages|inner:")]
    assert "".join(deltas) == "one two three"
    assert [d for e, d in got if e.startswith("messages/partial|")][-1][0]["content"] == (
        "one two three"
    )
    without = await events(client.runs.stream(None, "talker", input=talk, stream_mode=modes))
    assert not [e for e, _ in without if "|" in e]


async def test_several_questions_are_answered_by_id_one_by_one(
    client: LangGraphClient, thread: str
) -> None:
    names = {"names": ["a", "b", "c"]}
    result: Any = await client.runs.wait(thread, "asker", input=names)
    assert {i["value"]["question"] for i in result["__interrupt__"]} == {"a", "b", "c"}
    ids = await asked(client, thread)
    command: Any = {"resume": {ids["b"]: {"ok": True}}}
    got = await events(client.runs.stream(thread, "asker", command=command))
    assert got[-1][0] == "end"
    assert set(await asked(client, thread)) == {"a", "c"}
    command = {"resume": {ids["a"]: {"ok": True}, ids["c"]: {"ok": False, "note": "no"}}}
    done: Any = await client.runs.wait(thread, "asker", command=command)
    assert done["answers"]["c"] == {"ok": False, "note": "no"}
    assert (await client.threads.get(thread))["status"] == "idle"


async def test_a_bad_or_stale_answer_is_refused_and_the_question_stays_open(
    client: LangGraphClient, thread: str
) -> None:
    await client.runs.wait(thread, "asker", input={"names": ["a", "b"]})
    ids = await asked(client, thread)
    refused: list[tuple[Any, int]] = [
        ({ids["a"]: {"ok": "perhaps"}}, 422),
        ({ids["a"]: {}}, 422),
        ({"0" * 32: {"ok": True}}, 409),
        ({"ok": True}, 409),
    ]
    for resume, status in refused:
        with pytest.raises(APIStatusError) as caught:
            await client.runs.create(thread, "asker", command={"resume": resume})
        assert caught.value.status_code == status
    with pytest.raises(APIStatusError) as caught:
        both: Any = {"command": {"resume": {ids["a"]: {"ok": True}}}, "input": {"names": []}}
        await client.runs.create(thread, "asker", **both)
    assert caught.value.status_code == 422
    assert (await client.threads.get(thread))["status"] == "interrupted"
    assert set(await asked(client, thread)) == {"a", "b"}
    await client.runs.wait(
        thread, "asker", command={"resume": {k: {"ok": True} for k in ids.values()}}
    )
    with pytest.raises(ConflictError):
        await client.runs.create(thread, "asker", command={"resume": {ids["a"]: {"ok": True}}})


async def test_an_error_is_told_without_its_words(client: LangGraphClient, thread: str) -> None:
    fail: Any = {"left": 1, "fail": True}
    result: Any = await client.runs.wait(thread, "counter", input=fail, raise_error=False)
    assert result["__error__"]["error"] == "ValueError"
    modes: Any = ["tasks", "debug", "events"]
    got = await events(client.runs.stream(thread, "counter", input=fail, stream_mode=modes))
    assert [e for e, _ in got][-2:] == ["error", "end"]
    everything = f"{result} {got} {await client.threads.get_state(thread)}"
    assert "secret-word" not in everything
    assert (await client.threads.get(thread))["status"] == "error"


async def test_a_finished_run_can_be_joined_from_any_event(
    client: LangGraphClient, thread: str, url: str
) -> None:
    run = await client.runs.create(thread, "counter", input={"left": 3}, stream_mode="updates")
    await client.runs.join(thread, run["run_id"])
    parts = [p async for p in client.runs.join_stream(thread, run["run_id"])]
    ids = [p.id for p in parts if p.event != "end"]
    assert ids == sorted(ids, key=int) and len(set(ids)) == len(ids) == 4
    where = f"{url}/threads/{thread}/runs/{run['run_id']}/stream"
    async with httpx.AsyncClient() as http:
        for last, rest in ((ids[1], ids[2:]), ("-1", ids), ("no-such", ids), ("9" * 30, ids)):
            body = (await http.get(where, headers={"Last-Event-ID": last})).text
            got = [line[4:] for line in body.splitlines() if line.startswith("id: ")]
            assert got == rest
            assert body.endswith("event: end\ndata: null\n\n")
        every = (await http.get(where, params={"stream_mode": "values"})).text
    assert every.count("event: values") == 4


async def test_where_a_run_is_stands_in_the_headers(
    client: LangGraphClient, thread: str, url: str
) -> None:
    body = {"assistant_id": "counter", "input": COUNT}
    async with httpx.AsyncClient(base_url=url) as http:
        for ending, location in (("stream", "stream"), ("wait", "join")):
            answer = await http.post(f"/threads/{thread}/runs/{ending}", json=body)
            where = answer.headers["content-location"]
            assert answer.headers["location"] == f"{where}/{location}"
            assert (await http.get(where)).json()["status"] == "success"


async def test_states_are_read_written_and_forked(client: LangGraphClient, thread: str) -> None:
    await client.runs.wait(thread, "counter", input=COUNT)
    state = await client.threads.get_state(thread)
    assert (state["values"]["left"], state["next"]) == (0, [])
    history = await client.threads.get_history(thread, limit=10)
    assert [h["values"].get("left") for h in history] == [0, 1, 2, None]
    middle = history[1]["checkpoint"]
    assert (await client.threads.get_state(thread, checkpoint=middle))["values"]["left"] == 1
    again: Any = await client.runs.wait(thread, "counter", checkpoint_id=middle["checkpoint_id"])
    assert again["steps"] == ["step 1", "step 0"]
    await client.threads.update_state(thread, {"left": 9}, as_node="step")
    assert (await client.threads.get_state(thread))["next"] == ["step"]
    assert (await client.threads.get(thread))["status"] == "interrupted"
    with pytest.raises(NotFoundError):
        await client.threads.get_state(thread, checkpoint_id="1f000000-0000-6000-8000-000000000000")


async def test_a_state_that_no_checkpoint_keeps_is_refused(
    client: LangGraphClient, thread: str, url: str
) -> None:
    await client.runs.wait(thread, "counter", input={"left": 1})
    body = {"values": {"left": 2**64}, "as_node": "step"}
    answer = httpx.post(f"{url}/threads/{thread}/state", json=body)
    assert (answer.status_code, answer.json()["title"]) == (422, "invalid_request")
    assert (await client.threads.get_state(thread))["values"]["left"] == 0


async def test_cancel_interrupts_or_rolls_back(client: LangGraphClient, thread: str) -> None:
    slow: Any = {"left": 50, "pause": 0.2}
    await client.runs.wait(thread, "counter", input={"left": 1})
    before = await client.threads.get_state(thread)
    run = await client.runs.create(thread, "counter", input=slow)
    await asyncio.sleep(0.5)
    await client.runs.cancel(thread, run["run_id"], wait=True, action="rollback")
    with pytest.raises(NotFoundError):
        await client.runs.get(thread, run["run_id"])
    assert (await client.threads.get_state(thread))["checkpoint"] == before["checkpoint"]
    run = await client.runs.create(thread, "counter", input=slow)
    await asyncio.sleep(0.5)
    await client.runs.cancel(thread, run["run_id"], wait=True)
    assert (await client.runs.get(thread, run["run_id"]))["status"] == "interrupted"
    assert (await client.threads.get(thread))["status"] == "interrupted"
    with pytest.raises(NotFoundError):
        await client.runs.cancel(thread, run["run_id"])


async def test_runs_of_a_thread_wait_are_refused_or_take_over(
    client: LangGraphClient, thread: str
) -> None:
    slow: Any = {"left": 5, "pause": 0.1}
    first = await client.runs.create(thread, "counter", input=slow)
    with pytest.raises(ConflictError):
        await client.runs.create(thread, "counter", input=COUNT, multitask_strategy="reject")
    second = await client.runs.create(thread, "counter", input=COUNT)
    assert (await client.runs.get(thread, second["run_id"]))["status"] == "pending"
    await client.runs.join(thread, second["run_id"])
    assert (await client.runs.get(thread, first["run_id"]))["status"] == "success"
    third = await client.runs.create(thread, "counter", input={"left": 50, "pause": 0.2})
    fourth = await client.runs.create(
        thread, "counter", input=COUNT, multitask_strategy="interrupt"
    )
    await client.runs.join(thread, fourth["run_id"])
    statuses = {r["run_id"]: r["status"] for r in await client.runs.list(thread)}
    assert (statuses[third["run_id"]], statuses[fourth["run_id"]]) == ("interrupted", "success")


@pytest.mark.parametrize(
    ("leaving", "status"), [("cancel", "interrupted"), ("continue", "success")]
)
async def test_a_reader_that_leaves_ends_its_run_only_when_it_said_so(
    client: LangGraphClient, thread: str, leaving: Any, status: str
) -> None:
    slow: Any = {"left": 4, "pause": 0.2}
    async for part in client.runs.stream(thread, "counter", input=slow, on_disconnect=leaving):
        if part.event == "values":
            break
    (run,) = await client.runs.list(thread)
    await client.runs.join(thread, run["run_id"])
    assert (await client.runs.get(thread, run["run_id"]))["status"] == status


async def test_a_thread_is_followed_over_its_runs(client: LangGraphClient, thread: str) -> None:
    await client.runs.wait(thread, "counter", input=COUNT)
    ids: list[int] = []
    runs = set()
    async with asyncio.timeout(20):
        async for part in await client.threads.join_stream(thread, last_event_id="-1"):
            ids.append(int(part.id or 0))
            if len(ids) == 3:
                await client.runs.create(thread, "counter", input=COUNT)
            if part.event == "metadata":
                runs.add(part.data["run_id"])
            if part.event == "values" and len(runs) == 2 and part.data["left"] == 0:
                break
    assert ids == sorted(set(ids)) and ids[0] == 1


async def test_values_are_stored_found_and_removed(client: LangGraphClient) -> None:
    await client.store.put_item(["people", "ada"], key="likes", value={"tea": True})
    item = await client.store.get_item(["people", "ada"], key="likes")
    assert item["value"] == {"tea": True}
    found = await client.store.search_items(["people"], filter={"tea": True})
    assert [i["key"] for i in found["items"]] == ["likes"]
    names = await client.store.list_namespaces(prefix=["people"])
    assert names["namespaces"] == [["people", "ada"]]
    await client.store.delete_item(["people", "ada"], key="likes")
    with pytest.raises(NotFoundError):
        await client.store.get_item(["people", "ada"], key="likes")


async def test_the_steward_takes_no_detours(client: LangGraphClient, thread: str) -> None:
    given: Any = {"product": "sales"}
    detours: list[dict[str, Any]] = [
        {"input": given},
        {"input": {**given, "settled": {"p1": "approve"}}},
        {"input": given, "interrupt_before": ["apply"]},
        {"command": {"goto": "apply"}},
        {"command": {"update": {"settled": {"p1": "approve"}}}},
        {"input": given, "multitask_strategy": "rollback"},
        {},
    ]
    before = await client.threads.count()
    for detour in detours:
        for where in (thread, None):
            with pytest.raises(APIStatusError) as caught:
                await client.runs.create(where, "steward", **detour)
            assert caught.value.status_code in (404, 422)
    assert await client.runs.list(thread) == []
    assert await client.threads.count() == before


@pytest.mark.parametrize("thread_id", ["a b", "x" * 129, "a/b", "\x00", "\u202e"])
async def test_a_thread_is_not_called_anything(client: LangGraphClient, thread_id: str) -> None:
    with pytest.raises(UnprocessableEntityError):
        await client.threads.create(thread_id=thread_id)
    with pytest.raises(APIStatusError):
        await client.runs.create(
            quote(thread_id, safe=""), "counter", input=COUNT, if_not_exists="create"
        )
