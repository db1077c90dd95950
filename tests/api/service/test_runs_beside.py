"""Runs beside each other in a thread, and beside whoever changes or deletes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from api.service.threads import join_thread
from graph.engine.engine import CancelAction
from graph.engine.records import RunRow, Standing, ThreadRow
from graph.engine.registry import PlainGraph
from graph.engine.requests import RunRequest
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS
from tests.api.service.test_guard import problem_of
from tests.api.service.test_service import until

LONG = 60
"""Seconds of a step that is still under way when a test ends it."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(home=tmp_path / "home", principal="ada")
    limits = ServiceSettings(drain_seconds=0)
    async with open_service(settings, limits, GRAPHS) as opened:
        opened.engine.records.add_thread("t", {"created_by": "ada"})
        yield opened


async def begun(http: httpx.AsyncClient, pause: float = 0, **more: Any) -> str:
    """Queue a run whose one step takes that long, and return its id."""
    asked = {"assistant_id": "counter", "input": {"left": 1, "pause": pause}, **more}
    answer = await http.post("/threads/t/runs", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run_id"])


def status_of(service: Service, run: str) -> str:
    return service.engine.records.run_row(run).status


async def running(service: Service, run: str) -> None:
    """Wait until a run is in its step."""
    await until(lambda: status_of(service, run) == "running")
    await until(lambda: service.engine.records.named(run, "tasks"))


WRONG = (
    {"input": {}, "command": {}},
    {"checkpoint_id": "nothing"},
)


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_request_that_is_refused_ends_no_run(
    service: Service, http: httpx.AsyncClient, strategy: str, wrong: dict[str, Any]
) -> None:
    run = await begun(http, LONG)
    await running(service, run)
    asked = {"assistant_id": "counter", "multitask_strategy": strategy, **wrong}
    answer = await http.post("/threads/t/runs", json=asked)
    assert answer.status_code in (404, 422)
    assert status_of(service, run) == "running"


async def test_a_request_that_is_good_takes_the_place_of_what_runs(
    service: Service, http: httpx.AsyncClient
) -> None:
    first = await begun(http, LONG)
    await running(service, first)
    second = await begun(http, multitask_strategy="interrupt")
    assert status_of(service, first) == "interrupted"
    await until(lambda: status_of(service, second) == "success")


async def test_a_thread_is_busy_while_another_run_of_it_works(
    service: Service, http: httpx.AsyncClient
) -> None:
    first = await begun(http, LONG)
    await running(service, first)
    for action in ("interrupt", "rollback"):
        second = await begun(http)
        where = f"/threads/t/runs/{second}/cancel"
        assert (await http.post(where, params={"action": action})).status_code == 204
        assert service.engine.records.thread_row("t").status == "busy"
    assert status_of(service, first) == "running"


async def test_a_run_that_begins_while_it_is_cancelled_ends(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await begun(http, 0.2), await begun(http, LONG)
    served = service.engine.registry.find("counter")
    assert isinstance(served, PlainGraph)
    read, looks = served.graph.aget_state, list[Any]()

    async def read_slowly(config: Any, **more: Any) -> Any:
        looks.append(config)
        found = await read(config, **more)
        if len(looks) == 1:
            await running(service, second)
        return found

    monkeypatch.setattr(served.graph, "aget_state", read_slowly)
    assert (await http.post(f"/threads/t/runs/{second}/cancel")).status_code == 204
    assert (status_of(service, first), status_of(service, second)) == ("success", "interrupted")
    assert not service.engine._active


async def test_no_run_comes_into_a_thread_whose_state_is_being_written(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begun(http)
    await until(lambda: status_of(service, run) == "success")
    served = service.engine.registry.find("counter")
    write, writing, later = served.graph.aupdate_state, asyncio.Event(), asyncio.Event()

    async def write_slowly(*given: Any, **more: Any) -> Any:
        writing.set()
        await later.wait()
        return await write(*given, **more)

    monkeypatch.setattr(served.graph, "aupdate_state", write_slowly)
    state = {"values": {"steps": ["mine"]}, "as_node": "step"}
    changing = asyncio.create_task(http.post("/threads/t/state", json=state))
    await writing.wait()
    asking = asyncio.create_task(begun(http))
    await asyncio.sleep(0.2)
    assert not service.engine.has_work("t")
    later.set()
    assert (await changing).status_code == 200
    after = await asking
    await until(lambda: status_of(service, after) == "success")
    values = service.engine.records.thread_row("t").values
    assert values["steps"] == ["step 0", "mine", "step 0"]


@pytest.mark.parametrize(
    ("values", "why"), [("x", "Expected dict, got x"), ({"steps": 5}, "TypeError")]
)
async def test_values_that_the_graph_does_not_take_are_refused(
    service: Service, http: httpx.AsyncClient, values: Any, why: str
) -> None:
    run = await begun(http)
    await until(lambda: status_of(service, run) == "success")
    answer = await http.post("/threads/t/state", json={"values": values})
    assert problem_of(answer) == (422, "invalid_request")
    assert answer.json()["detail"].endswith(f"into its state: {why}.")


async def test_no_run_is_left_in_a_thread_that_is_deleted_meanwhile(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"assistant_id": "asker", "input": {"names": ["a"]}}
    first = (await http.post("/threads/t/runs", json=asked)).json()["run_id"]
    await until(lambda: status_of(service, first) == "success")
    served = service.engine.registry.find("asker")
    read, reading, later = served.graph.aget_state, asyncio.Event(), asyncio.Event()

    async def read_slowly(*given: Any, **more: Any) -> Any:
        found = await read(*given, **more)
        reading.set()
        await later.wait()
        return found

    monkeypatch.setattr(served.graph, "aget_state", read_slowly)
    answer = {"assistant_id": "asker", "command": {"resume": {"ok": True}}}
    answering = asyncio.create_task(http.post("/threads/t/runs", json=answer))
    await reading.wait()
    deleting = asyncio.create_task(http.delete("/threads/t"))
    await asyncio.sleep(0.2)
    later.set()
    assert (await deleting).status_code == 204
    await answering
    assert service.engine.records.open_runs() == []
    assert problem_of(await http.get("/threads/t")) == (404, "unknown_thread")


async def test_a_thread_that_is_made_anew_has_one_lock(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = service.engine.checkpoints.adelete_thread
    deleting, later = asyncio.Event(), asyncio.Event()

    async def slowly(thread_id: str) -> None:
        await forget(thread_id)
        deleting.set()
        await later.wait()

    monkeypatch.setattr(service.engine.checkpoints, "adelete_thread", slowly)
    held, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with service.engine.still("t"):
            held.set()
            await done.wait()

    first = asyncio.create_task(http.delete("/threads/t"))
    await deleting.wait()
    holding = asyncio.create_task(hold())
    later.set()
    assert (await first).status_code == 204
    await held.wait()
    service.engine.records.add_thread("t", {"created_by": "ada"})
    again = asyncio.create_task(http.delete("/threads/t"))
    await asyncio.sleep(0.2)
    assert not again.done()
    done.set()
    await holding
    assert (await again).status_code == 204


async def test_runs_that_went_with_their_thread_keep_no_other_from_being_cancelled(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, cancel = service.engine.records, service.engine.cancel
    for thread in ("t1", "t2", "t3"):
        records.add_thread(thread, {"created_by": "ada", "graph_id": "counter"})
        asked = RunRequest(assistant_id="counter", after_seconds=600)
        service.engine.take_up(thread, "counter", asked)

    async def and_another_goes(run: RunRow, action: CancelAction = "interrupt") -> None:
        records.remove_thread("t2")
        await cancel(run, action)

    monkeypatch.setattr(service.engine, "cancel", and_another_goes)
    assert (await http.post("/runs/cancel", json={})).status_code == 204
    assert records.open_runs() == []


async def test_what_is_refused_or_called_off_leaves_nothing_in_memory(
    service: Service, http: httpx.AsyncClient
) -> None:
    for _ in range(20):
        refused = {"assistant_id": "counter", "input": {}, "command": {}}
        assert (await http.post("/runs", json=refused)).status_code == 422
        run = await begun(http, after_seconds=600)
        await http.post(f"/threads/t/runs/{run}/cancel")
    assert not service.engine._gates and not service.engine._origins


@pytest.mark.parametrize("named", ["999999999", "-1", "\u00b2", "x"])
async def test_a_number_that_no_event_has_means_the_beginning(
    service: Service, http: httpx.AsyncClient, named: str
) -> None:
    run = await begun(http)
    await until(lambda: status_of(service, run) == "success")
    headers = {"last-event-id": named.encode("latin-1")}
    told = await http.get(f"/threads/t/runs/{run}/stream", headers=headers)
    assert "event: values" in told.text
    caller = await service.access.authenticate({})
    whole = await join_thread(service, caller, "t", None, named)
    frames: Any = whole.body_iterator  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        assert (await anext(frames)).startswith(b"id: 1\n")


async def test_a_search_reads_no_more_states_than_it_shows(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = service.engine.records
    for number in range(50):
        standing = Standing("idle", {"odd": bool(number % 2)})
        records.add_thread(f"t{number:02}", {"created_by": "ada"}, standing)
    read, looks = records.thread_row, list[str]()

    def counted(thread_id: str) -> ThreadRow:
        looks.append(thread_id)
        return read(thread_id)

    monkeypatch.setattr(records, "thread_row", counted)
    asked = {"limit": 3, "offset": 1, "sort_by": "thread_id", "sort_order": "asc"}
    page = await http.post("/threads/search", json=asked)
    assert [t["thread_id"] for t in page.json()] == looks == ["t00", "t01", "t02"]
    assert page.headers["x-pagination-total"] == "51"
    assert (await http.post("/threads/count", json={})).json() == 51
    assert len(looks) == 3
    odd = await http.post("/threads/count", json={"values": {"odd": True}})
    assert odd.json() == 25
