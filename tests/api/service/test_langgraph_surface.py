"""The rest of the LangGraph client's surface: what runs may ask for, and what is not served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import (
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


async def test_a_run_may_bring_its_thread_along(client: LangGraphClient) -> None:
    run = await client.runs.create("brought:1", "counter", input=COUNT, if_not_exists="create")
    assert (await client.runs.join("brought:1", run["run_id"]))["left"] == 0
    with pytest.raises(NotFoundError):
        await client.runs.create("not-brought", "counter", input=COUNT)


async def test_an_answer_queued_behind_a_run_is_checked_when_its_turn_comes(
    client: LangGraphClient, thread: str
) -> None:
    await client.runs.wait(thread, "asker", input={"names": ["a"]})
    (question,) = (await asked(client, thread)).values()
    command: Any = {"resume": {question: {"ok": True}}}
    first = await client.runs.create(thread, "asker", command=command, after_seconds=1)
    second = await client.runs.create(thread, "asker", command=command)
    await client.runs.join(thread, first["run_id"])
    late: Any = await client.runs.join(thread, second["run_id"])
    assert late["__error__"]["error"] == "NotWaiting"
    assert (await client.threads.get(thread))["status"] == "idle"


async def test_a_run_that_takes_over_may_forget_the_one_before(
    client: LangGraphClient, thread: str
) -> None:
    await client.runs.wait(thread, "counter", input={"left": 1})
    slow: Any = {"left": 50, "pause": 0.2}
    first = await client.runs.create(thread, "counter", input=slow)
    await asyncio.sleep(0.5)
    second = await client.runs.create(
        thread, "counter", input={"left": 1}, multitask_strategy="rollback"
    )
    done: Any = await client.runs.join(thread, second["run_id"])
    assert done["steps"] == ["step 0", "step 0"]
    with pytest.raises(NotFoundError):
        await client.runs.get(thread, first["run_id"])


async def test_a_run_stops_before_and_after_the_nodes_it_names(
    client: LangGraphClient, thread: str
) -> None:
    asked: Any = {"interrupt_before": ["step"], "interrupt_after": "*"}
    await client.runs.wait(thread, "counter", input={"left": 2}, **asked)
    found = await client.threads.get(thread)
    assert (found["status"], found["interrupts"], found["values"]["left"]) == ("interrupted", {}, 2)
    done: Any = await client.runs.wait(thread, "counter")
    assert done["left"] == 0


async def test_several_runs_are_ended_at_once(client: LangGraphClient, thread: str) -> None:
    slow: Any = {"left": 50, "pause": 0.2}
    runs = [await client.runs.create(thread, "counter", input=slow) for _ in range(3)]
    await asyncio.sleep(0.3)
    await client.runs.cancel_many(thread_id=thread, status="pending")
    statuses = {r["run_id"]: r["status"] for r in await client.runs.list(thread)}
    assert [statuses[r["run_id"]] for r in runs] == ["running", "interrupted", "interrupted"]
    await client.runs.cancel_many(thread_id=thread, run_ids=[runs[0]["run_id"]], action="rollback")
    assert len(await client.runs.list(thread)) == 2
    ended = await client.runs.list(thread, status="interrupted", limit=1)
    await client.runs.delete(thread, ended[0]["run_id"])
    assert len(await client.runs.list(thread)) == 1


async def test_runs_without_a_thread_leave_nothing_but_what_was_asked_for(
    client: LangGraphClient,
) -> None:
    before = await client.threads.count()
    batch: Any = [{"assistant_id": "counter", "input": {"left": n}} for n in (1, 2)]
    first, second = await client.runs.create_batch(batch)
    done: Any = await client.runs.join(first["thread_id"], first["run_id"])
    assert done["left"] == 0 and first["thread_id"] != second["thread_id"]
    await client.runs.wait(None, "counter", input=COUNT)
    assert await client.threads.count() == before
    kept = await client.runs.create(None, "counter", input=COUNT, on_completion="keep")
    await client.runs.join(kept["thread_id"], kept["run_id"])
    assert await client.threads.count() == before + 1


async def test_a_thread_is_copied_with_what_it_remembers(
    client: LangGraphClient, thread: str
) -> None:
    await client.runs.wait(thread, "asker", input={"names": ["a"]})
    await client.threads.copy(thread)
    found = await client.threads.search(limit=1)
    copied = found[0]["thread_id"]
    assert copied != thread
    (question,) = (await asked(client, copied)).values()
    command: Any = {"resume": {question: {"ok": True}}}
    done: Any = await client.runs.wait(copied, "asker", command=command)
    assert done["answers"]["a"]["ok"]
    assert (await client.threads.get(thread))["status"] == "interrupted"
    history = await client.threads.get_history(copied)
    assert len(history) > len(await client.threads.get_history(thread))


async def test_several_threads_are_deleted_but_those_that_wait(client: LangGraphClient) -> None:
    waits, done = [(await client.threads.create())["thread_id"] for _ in range(2)]
    await client.runs.wait(waits, "asker", input={"names": ["a"]})
    await client.runs.wait(done, "counter", input=COUNT)
    assert await client.threads.prune([waits, done, "unknown"]) == {"pruned_count": 1}
    assert (await client.threads.get(waits))["status"] == "interrupted"


async def test_what_is_not_served_is_said_so_plainly(client: LangGraphClient, thread: str) -> None:
    calls: list[Any] = [
        client.crons.create("counter", schedule="* * * * *"),
        client.crons.create_for_thread(thread, "counter", schedule="* * * * *"),
        client.crons.search(),
        client.crons.count(),
        client.crons.delete("nothing"),
        client.assistants.create("counter"),
        client.assistants.update("counter", name="other"),
        client.assistants.delete("counter"),
        client.assistants.set_latest("counter", 2),
    ]
    for call in calls:
        with pytest.raises(NotFoundError) as caught:
            await call
        assert caught.value.response.json()["title"] == "not_served"
    assert [v["version"] for v in await client.assistants.get_versions("counter")] == [1]
    with pytest.raises(UnprocessableEntityError):
        await client.runs.create(thread, "counter", input=COUNT, webhook="http://127.0.0.1/hook")


async def test_what_a_thread_is_followed_for_may_be_chosen(
    client: LangGraphClient, thread: str
) -> None:
    await client.runs.wait(thread, "counter", input=COUNT)
    modes: Any = {"lifecycle": {"metadata", "lifecycle"}, "state_update": {"metadata", "values"}}
    for mode, names in modes.items():
        seen = set()
        stream = await client.threads.join_stream(thread, stream_mode=mode, last_event_id="-1")
        async with asyncio.timeout(20):
            async for part in stream:
                seen.add(part.event)
                if seen == names:
                    break
