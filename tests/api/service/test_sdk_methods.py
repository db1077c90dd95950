"""Every method of LangGraph's clients is answered: it works, or it says that it is not served."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient, get_sync_client
from langgraph_sdk.errors import NotFoundError

from tests.api.service.test_javascript_client import played

COUNT: Any = {"left": 1}
NAMESPACE = ["people", "ada"]
pytestmark = pytest.mark.xdist_group("langgraph client")


class Here(NamedTuple):
    """What a call may be about."""

    sdk: LangGraphClient
    thread: str
    run: str


async def followed(stream: Any) -> None:
    """Read the first part of a stream."""
    async with asyncio.timeout(20):
        async for _ in stream:
            return


async def newer(here: Here) -> None:
    async with here.sdk.threads.stream(assistant_id="counter") as stream:
        await stream.run.start(input=COUNT)
        assert (await stream.output.with_timeout(20))["left"] == 0


async def joined(here: Here) -> None:
    await followed(await here.sdk.threads.join_stream(here.thread, last_event_id="-1"))


async def cancelled(here: Here) -> None:
    slow: Any = {"left": 50, "pause": 0.2}
    run = await here.sdk.runs.create(here.thread, "counter", input=slow)
    await here.sdk.runs.cancel(here.thread, run["run_id"], wait=True)


async def deleted(here: Here) -> None:
    await here.sdk.threads.delete((await here.sdk.threads.create())["thread_id"])


Calls = dict[str, Callable[[Here], Awaitable[Any]]]
SERVED: Calls = {
    "assistants.count": lambda h: h.sdk.assistants.count(),
    "assistants.get": lambda h: h.sdk.assistants.get("counter"),
    "assistants.get_graph": lambda h: h.sdk.assistants.get_graph("counter", xray=True),
    "assistants.get_schemas": lambda h: h.sdk.assistants.get_schemas("counter"),
    "assistants.get_subgraphs": lambda h: h.sdk.assistants.get_subgraphs("talker", "inner"),
    "assistants.get_versions": lambda h: h.sdk.assistants.get_versions("counter"),
    "assistants.search": lambda h: h.sdk.assistants.search(response_format="object"),
    "runs.cancel": cancelled,
    "runs.cancel_many": lambda h: h.sdk.runs.cancel_many(thread_id=h.thread, status="all"),
    "runs.create": lambda h: h.sdk.runs.create(h.thread, "counter", input=COUNT),
    "runs.create_batch": lambda h: h.sdk.runs.create_batch([{"assistant_id": "counter"}]),
    "runs.delete": lambda h: h.sdk.runs.delete(h.thread, h.run),
    "runs.get": lambda h: h.sdk.runs.get(h.thread, h.run),
    "runs.join": lambda h: h.sdk.runs.join(h.thread, h.run),
    "runs.join_stream": lambda h: followed(h.sdk.runs.join_stream(h.thread, h.run)),
    "runs.list": lambda h: h.sdk.runs.list(h.thread, select=["run_id"]),
    "runs.stream": lambda h: followed(h.sdk.runs.stream(h.thread, "counter", input=COUNT)),
    "runs.wait": lambda h: h.sdk.runs.wait(h.thread, "counter", input=COUNT),
    "store.delete_item": lambda h: h.sdk.store.delete_item(NAMESPACE, key="likes"),
    "store.get_item": lambda h: h.sdk.store.get_item(NAMESPACE, key="is", refresh_ttl=True),
    "store.list_namespaces": lambda h: h.sdk.store.list_namespaces(),
    "store.put_item": lambda h: h.sdk.store.put_item(NAMESPACE, key="likes", value={}),
    "store.search_items": lambda h: h.sdk.store.search_items(["people"], filter={"tea": True}),
    "threads.copy": lambda h: h.sdk.threads.copy(h.thread),
    "threads.count": lambda h: h.sdk.threads.count(values={"left": 0}),
    "threads.create": lambda h: h.sdk.threads.create(graph_id="counter"),
    "threads.delete": deleted,
    "threads.get": lambda h: h.sdk.threads.get(h.thread, include=["ttl"]),
    "threads.get_history": lambda h: h.sdk.threads.get_history(h.thread, select=["values"]),
    "threads.get_state": lambda h: h.sdk.threads.get_state(h.thread, subgraphs=True),
    "threads.join_stream": joined,
    "threads.prune": lambda h: h.sdk.threads.prune([h.thread], strategy="keep_latest"),
    "threads.search": lambda h: h.sdk.threads.search(extract={"n": "values.left"}),
    "threads.stream": newer,
    "threads.update": lambda h: h.sdk.threads.update(h.thread, metadata={}, return_minimal=True),
    "threads.update_state": lambda h: h.sdk.threads.update_state(h.thread, {}, as_node="step"),
}
UNSERVED: Calls = {
    "assistants.create": lambda h: h.sdk.assistants.create("counter"),
    "assistants.delete": lambda h: h.sdk.assistants.delete("counter"),
    "assistants.set_latest": lambda h: h.sdk.assistants.set_latest("counter", 2),
    "assistants.update": lambda h: h.sdk.assistants.update("counter", name="other"),
    "crons.count": lambda h: h.sdk.crons.count(),
    "crons.create": lambda h: h.sdk.crons.create("counter", schedule="* * * * *"),
    "crons.create_for_thread": lambda h: h.sdk.crons.create_for_thread(
        h.thread, "counter", schedule="* * * * *"
    ),
    "crons.delete": lambda h: h.sdk.crons.delete("nothing"),
    "crons.search": lambda h: h.sdk.crons.search(),
    "crons.update": lambda h: h.sdk.crons.update("nothing", enabled=False),
}
JAVASCRIPT = {
    "threads.patch_state": ("PATCH", "/threads/nothing/state"),
    "~ui.get_component": ("POST", "/ui/counter"),
}
"""Methods that only the JavaScript client has, with what they request; none is served."""


def methods(client: LangGraphClient | SyncLangGraphClient) -> set[str]:
    """Return the methods of all parts of a Python client."""
    return {
        f"{name}.{method}"
        for name, part in vars(client).items()
        if type(part).__name__.endswith("Client") and not name.startswith("_") and name != "http"
        for method, _ in inspect.getmembers(type(part), callable)
        if not method.startswith("_")
    }


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {*SERVED, *UNSERVED}


def test_the_list_names_every_method_of_both_python_clients(
    client: LangGraphClient, url: str, known: set[str]
) -> None:
    assert methods(client) == known
    assert methods(get_sync_client(url=url, api_key=None)) == known


def test_the_list_names_every_method_of_the_javascript_client(url: str, known: set[str]) -> None:
    found = {
        f"{part}.{re.sub('[A-Z]', lambda m: '_' + m[0].lower(), method)}"
        for part, names in played("methods", url).items()
        for method in names
    }
    assert found - known == set(JAVASCRIPT)
    for method, path in JAVASCRIPT.values():
        answer = httpx.request(method, url + path, json={})
        assert (answer.status_code, answer.json()["title"]) == (404, "not_served")


@pytest.fixture
async def here(client: LangGraphClient) -> Here:
    thread = str((await client.threads.create())["thread_id"])
    run = await client.runs.create(thread, "counter", input=COUNT)
    await client.runs.join(thread, run["run_id"])
    return Here(client, thread, run["run_id"])


async def test_each_works_as_it_is_called(here: Here) -> None:
    await here.sdk.store.put_item(NAMESPACE, key="is", value={"tea": True})
    # What removes the run of all of them comes last.
    for name in sorted(SERVED, key=lambda name: name == "runs.delete"):
        await SERVED[name](here)


@pytest.mark.parametrize("name", UNSERVED)
async def test_or_is_said_not_to_be_served(here: Here, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        await UNSERVED[name](here)
    assert caught.value.response.json()["title"] == "not_served"
