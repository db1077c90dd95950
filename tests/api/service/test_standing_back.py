"""What fails in one place is tried again later, and stops nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.engine import conductor, engine
from graph.engine.records import Records
from graph.engine.requests import RunRequest
from graph.errors import AlreadyDecided, ProductUnavailable
from graph.ledger import Ledger, now
from graph.runs import Runs
from graph.settings import Settings
from graph.steward import Stewardship
from tests.api.service.test_service import ABOUT, offer, until
from tests.factories import make_decision
from tests.ledgers import make_ledger
from tools.messages import Decision, Outcome


async def test_a_fault_in_one_look_does_not_end_the_looking(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[int] = []

    def expire(self: Stewardship) -> None:
        looks.append(1)
        if len(looks) == 1:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(conductor, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Stewardship, "expire", expire)
    service.conductor.wake()
    await until(lambda: len(looks) > 1)
    assert service.working is not None and not service.working.done()
    assert "disk is full" in caplog.text


async def test_one_thread_that_cannot_be_read_keeps_no_other_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = type(service.conductor)._know

    async def knows(self: Any, thread: Any) -> None:
        if thread.id == "flights-1":
            raise ValueError("damaged")
        await known(self, thread)

    async def answer(self: Runs, thread_id: str, decisions: Any) -> None:
        pass

    monkeypatch.setattr(type(service.conductor), "_know", knows)
    monkeypatch.setattr(Runs, "answer", answer)
    for thread in ("flights-1", "flights-2"):
        proposal = offer(service, thread, column=thread)
        service.ledger.decide(make_decision(proposal, decided_at=now()))
    service.conductor.wake()
    await until(lambda: list(service.ledger.undelivered()) == ["flights-1"])


def test_an_offer_that_is_answered_as_it_ends_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = make_ledger(tmp_path / "ledger.db", "p1", "p2")
    monkeypatch.setattr("graph.steward.now", lambda: now() + timedelta(days=8))
    decide = Ledger.decide
    ended: list[str] = []

    def answered(self: Ledger, decision: Decision) -> Any:
        ended.append(decision.proposal_id)
        if decision.proposal_id == "p1":
            raise AlreadyDecided(decision)
        return decide(self, decision)

    monkeypatch.setattr(Ledger, "decide", answered)
    targets: Any = None
    Stewardship(Settings(home=tmp_path), ledger, targets, AsyncExitStack()).expire()
    assert ended == ["p1", "p2"]
    assert [o.proposal.id for o in ledger.offers(waiting=True)] == ["p1"]


async def test_a_run_of_a_graph_that_is_served_no_more_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    stand_back = engine.Engine._stand_back

    def counted(self: engine.Engine, thread_id: str, run_id: str, failure: Exception) -> None:
        tries.append(type(failure).__name__)
        stand_back(self, thread_id, run_id, failure)

    monkeypatch.setattr(engine.Engine, "_stand_back", counted)
    async with open_service(Settings(home=tmp_path), ServiceSettings()) as service:
        service.engine.records.add_thread("mine-1", {"graph_id": "mine"})
        service.engine.take_up("mine-1", "mine", RunRequest(assistant_id="mine"))
        await until(lambda: tries)
        await asyncio.sleep(0.3)
        assert tries == ["UnknownGraph"]
        assert service.engine.has_work("mine-1")


async def test_a_run_that_cannot_be_written_down_is_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, tries = Records.start_run, []

    def fails_once(self: Records, run: Any, base: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        return start(self, run, base)

    monkeypatch.setattr(Records, "start_run", fails_once)
    monkeypatch.setattr(engine, "LONGEST_PAUSE", 0.01)
    service.ledger.open_thread("flights-1", "flights", "all")
    service.ledger.set_thread("flights-1", "done")
    service.engine.records.add_thread("flights-1", ABOUT)
    run = service.engine.take_up("flights-1", "steward", RunRequest(assistant_id="steward"))
    await until(lambda: service.engine.records.run_row(run.run_id).ended)
    assert len(tries) == 2


async def test_a_run_whose_product_went_away_goes_on_by_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def resume(self: Runs, thread_id: str, product: str, budget: Any = None) -> None:
        tries.append(thread_id)
        if len(tries) == 1:
            raise ProductUnavailable("gone")
        self.ledger.set_thread(thread_id, "done")

    monkeypatch.setattr(Runs, "resume", resume)
    monkeypatch.setattr("graph.engine.retries.FIRST_SECONDS", 0.0)
    service.ledger.open_thread("flights-1", "flights", "all")
    service.engine.records.add_thread("flights-1", ABOUT)
    service.engine.take_up("flights-1", "steward", RunRequest(assistant_id="steward"))
    await until(lambda: service.ledger.thread("flights-1").status == "done")
    assert tries == ["flights-1"] * 2


async def test_an_undo_is_written_down_before_its_turn_comes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = offer(service, "flights-1")
    outcome = Outcome(proposal_id=proposal, status="applied", detail="")
    service.ledger.record_outcome(outcome, "agent:apply")
    taken: list[str] = []

    async def take_back(self: Stewardship, request: Any) -> None:
        taken.append(request.proposal_id)
        done = Outcome(proposal_id=request.proposal_id, status="undone", detail="")
        self.ledger.record_outcome(done, request.actor)

    monkeypatch.setattr(Stewardship, "take_back", take_back)
    async with service.conductor.graph.alone("flights"):
        asked = asyncio.create_task(service.conductor.undo(proposal, "person:ada"))
        await until(service.ledger.undo_requests)
        assert not taken
    await asked
    assert taken == [proposal] and not service.ledger.undo_requests()


async def test_a_product_whose_turn_is_taken_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resume(self: Runs, thread_id: str, product: str, budget: Any = None) -> None:
        self.ledger.set_thread(thread_id, "done")

    monkeypatch.setattr(Runs, "resume", resume)
    limits = ServiceSettings(max_runs=2)
    async with open_service(Settings(home=tmp_path), limits) as service:

        def go_on(thread: str, product: str) -> None:
            service.ledger.open_thread(thread, product, "all")
            service.engine.records.add_thread(thread, {**ABOUT, "product": product})
            service.engine.take_up(thread, "steward", RunRequest(assistant_id="steward"))

        def stands(thread: str) -> str:
            return service.ledger.thread(thread).status

        async with service.conductor.graph.alone("flights"):
            for number in range(limits.max_runs):
                go_on(f"flights-{number}", "flights")
            go_on("sales-1", "sales")
            await until(lambda: stands("sales-1") == "done")
            assert {stands(t.id) for t in service.ledger.threads("flights")} == {"running"}
        await until(lambda: {stands(t.id) for t in service.ledger.threads()} == {"done"})
