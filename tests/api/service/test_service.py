"""What the service takes up, gives up and cleans up, without a product."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from api.service.threads import ThreadPrune, delete_thread, prune_threads
from graph.beside import open_beside
from graph.engine import retries
from graph.engine.requests import RunRequest
from graph.errors import ProductUnavailable
from graph.ledger import now
from graph.runs import Runs
from graph.settings import Settings
from tests.api.service.test_guard import problem_of
from tests.factories import make_change, make_decision, make_proposal

ABOUT = {"graph_id": "steward", "product": "flights"}


def offer(service: Service, thread: str, column: str = "dep_delay") -> str:
    """Offer a proposal in a run that waits; returns its id."""
    at = now()
    change = make_change(column=column)
    proposal = make_proposal(change, created_at=at, expires_at=at + timedelta(days=1))
    service.ledger.open_thread(thread, "flights", "all")
    service.ledger.offer(thread, [proposal], "agent:rank")
    service.ledger.set_thread(thread, "waiting")
    return proposal.id


async def until(found: Any) -> None:
    async with asyncio.timeout(30):
        while not found():
            await asyncio.sleep(0.02)


async def test_what_the_command_line_left_is_there_at_the_next_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    async with open_service(settings, ServiceSettings()) as service:
        proposal = offer(service, "flights-1")
    async with open_service(settings, ServiceSettings()) as service:
        thread = service.engine.records.thread_row("flights-1")
        assert thread.metadata == ABOUT
        service.ledger.decide(make_decision(proposal, verdict="reject", decided_at=now()))
    async with open_service(settings, ServiceSettings()) as service:
        runs = service.engine.records.runs_of
        await until(lambda: [r.status for r in runs("flights-1")] == ["success"])
        assert not service.ledger.undelivered()


async def test_an_answer_of_the_command_line_is_delivered_by_the_service(
    service: Service,
) -> None:
    proposal = offer(service, "flights-1")
    await asyncio.sleep(0.2)
    async with open_beside(service.settings) as queue:
        queue.ledger.decide(make_decision(proposal, verdict="reject", decided_at=now()))
        async with asyncio.timeout(30):
            await queue.deliver("flights-1")
        assert queue.ledger.undelivered() == {}


async def test_a_cancelled_run_is_given_up_and_is_not_rolled_back(
    service: Service, http: httpx.AsyncClient
) -> None:
    records = service.engine.records
    service.ledger.open_thread("flights-1", "flights", "all")
    records.add_thread("flights-1", ABOUT)
    request = RunRequest(assistant_id="steward", after_seconds=60)
    run = service.engine.take_up("flights-1", "steward", request)
    where = f"/threads/flights-1/runs/{run.run_id}/cancel"
    refused = await http.post(where, params={"action": "rollback"})
    assert problem_of(refused) == (422, "invalid_request")
    assert (await http.post(where)).status_code == 204
    assert service.ledger.thread("flights-1").status == "failed"
    assert problem_of(await http.post(where)) == (404, "run_ended")


async def test_a_thread_with_open_questions_is_not_deleted_and_a_deleted_one_stays_away(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    async with open_service(settings, ServiceSettings()) as service:
        offer(service, "flights-1")
        await service.conductor.take_up()
        assert service.engine.records.thread_row("flights-1")
        service.ledger.set_thread("flights-1", "done")
        await service.engine.forget("flights-1")
    async with open_service(settings, ServiceSettings()) as service:
        assert service.engine.records.find_threads() == []


async def test_deleting_waits_for_the_answers(service: Service, http: httpx.AsyncClient) -> None:
    offer(service, "flights-1")
    service.engine.records.add_thread("flights-1", ABOUT)
    assert problem_of(await http.delete("/threads/flights-1")) == (409, "conflict")


async def test_a_run_between_two_tries_ends_when_its_thread_is_deleted(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    async with open_service(settings, ServiceSettings()) as service:
        service.ledger.open_thread("flights-1", "flights", "all")
        service.engine.records.add_thread("flights-1", ABOUT)
        service.conductor.retries.failed("flights-1")
        caller = await service.access.authenticate({})
        pruned = await prune_threads(service, caller, ThreadPrune(thread_ids=["flights-1"]))
        assert pruned == {"pruned_count": 0}
        await delete_thread(service, caller, "flights-1")
        assert service.ledger.thread("flights-1").status == "failed"
    async with open_service(settings, ServiceSettings()) as service:
        assert service.engine.records.find_threads() == []


async def test_what_could_not_be_delivered_waits_also_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: Runs, thread_id: str, decisions: Any) -> None:
        raise ProductUnavailable("locked")

    monkeypatch.setattr(Runs, "answer", fails)
    settings = Settings(home=tmp_path)
    for _ in range(2):
        async with open_service(settings, ServiceSettings()) as service:
            records = service.engine.records
            if not records.find_threads():
                service.ledger.decide(make_decision(offer(service, "flights-1"), decided_at=now()))
                service.conductor.wake()
                await until(lambda: records.retry("flights-1"))  # noqa: B023 - awaited here
            await asyncio.sleep(0.2)
            assert [r.status for r in records.runs_of("flights-1")] == ["error"]
            assert not service.conductor.retries.due("flights-1")
            assert service.ledger.undelivered()


async def test_each_failure_doubles_the_wait_until_one_comes_through(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [now()]
    monkeypatch.setattr(retries, "now", lambda: at[0])
    waits = service.conductor.retries
    tried = []
    for _ in range(900):
        if waits.due("flights-1"):
            tried.append(at[0])
            waits.failed("flights-1")
        at[0] += timedelta(seconds=30)
    apart = [(b - a).total_seconds() for a, b in zip(tried, tried[1:], strict=False)]
    assert apart[:4] == [30, 60, 120, 240]
    assert apart[-1] == 3600
    at[0] -= timedelta(days=1)
    assert waits.due("flights-1"), "the clock was set back"
    service.conductor.delivered("flights-1")
    assert service.engine.records.retry("flights-1") is None
