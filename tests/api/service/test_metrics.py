"""Metrics as Prometheus' own parser reads them."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from api.service.service import Service
from graph.engine.requests import RunRequest
from graph.ledger import now
from graph.words import FILE, WordStore
from tests.factories import make_change, make_decision, make_proposal
from tools.messages import Outcome
from tools.words.proposals import facts_of
from tools.words.told import Words, template

HOSTILE = 'a"b\\c\nd'


async def read(http: httpx.AsyncClient) -> dict[str, Any]:
    """Return the families by name."""
    text = (await http.get("/metrics")).text
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(found) == text.count("# TYPE ")
    assert all(family.documentation for family in found.values())
    return found


def value(family: Any, suffix: str = "", **labels: str) -> float:
    """Return the one sample with these labels."""
    (found,) = [
        s.value
        for s in family.samples
        if s.name == family.name + suffix and labels.items() <= s.labels.items()
    ]
    return float(found)


async def test_a_new_home_is_all_zeroes(http: httpx.AsyncClient) -> None:
    found = await read(http)
    assert value(found["pillion_outbox"]) == value(found["pillion_outbox_oldest_seconds"]) == 0
    assert value(found["pillion_run_oldest_pending_seconds"]) == 0
    assert found["process_cpu_seconds"].type == "counter"
    assert value(found["process_resident_memory_bytes"]) > 1e6


async def test_what_waits_is_counted_with_its_age(
    service: Service, http: httpx.AsyncClient
) -> None:
    (service.settings.home / "policy.toml").write_text("[[rule]]\napprovals = 2\n")
    offered = now() - timedelta(days=1)
    proposals = [
        make_proposal(make_change(column=c), product=HOSTILE, created_at=offered,
                      expires_at=now() + timedelta(days=1))
        for c in ("a", "b")
    ]  # fmt: skip
    ledger = service.ledger
    ledger.open_thread("t1", HOSTILE, "all")
    ledger.offer("t1", proposals, "agent:rank")
    ledger.decide(make_decision(proposals[0].id, channel="http", decided_at=now()))
    ledger.decide(make_decision(proposals[1].id, verdict="reject", decided_at=now()))
    ledger.record_outcome(Outcome(proposal_id=proposals[1].id, status="failed", detail=""), "x")
    found = await read(http)
    about = {"product": HOSTILE}
    assert value(found["pillion_proposals_waiting"], **about) == 1
    assert value(found["pillion_approvals_waiting"], **about) == 1
    assert value(found["pillion_proposal_oldest_waiting_seconds"], **about) >= 0
    assert value(found["pillion_decisions"], verdict="reject", **about) == 1
    assert value(found["pillion_decision_seconds"], "_count", **about) == 1
    assert value(found["pillion_outcomes"], status="failed", **about) == 1
    assert value(found["pillion_threads"], status="running", **about) == 1
    assert value(found["pillion_outbox"]) == 1
    assert value(found["pillion_file_bytes"], file="ledger.db") > 4096


async def test_runs_are_counted_with_their_time(service: Service, http: httpx.AsyncClient) -> None:
    records = service.engine.records
    records.add_thread("t1", {})
    run = records.add_run("t1", "counter", RunRequest(assistant_id="counter"))
    assert value((await read(http))["pillion_run_oldest_pending_seconds"]) > 0
    records.set_run(run, "success")
    took = (await read(http))["pillion_run_duration_seconds"]
    about = {"graph": "counter", "status": "success"}
    assert (took.type, value(took, "_count", **about)) == ("summary", 1)
    assert 0 < value(took, "_sum", **about) < 60


async def test_requests_are_measured_by_route_and_never_by_what_callers_write(
    http: httpx.AsyncClient,
) -> None:
    await http.get("/v1/proposals/p1")
    await http.get("/v1/proposals/p2")
    await http.get("/made-up")
    await http.request("BREW", "/ok")
    times = (await read(http))["pillion_http_seconds"]
    about = {"method": "GET", "route": "/v1/proposals/{proposal_id}", "status": "404"}
    assert (times.type, value(times, "_count", **about)) == ("histogram", 2)
    assert value(times, "_bucket", le="+Inf", **about) == 2
    assert value(times, "_count", route="none", method="GET") == 1
    assert value(times, "_count", method="other") == 1


async def test_wordings_are_counted_by_outcome(service: Service, http: httpx.AsyncClient) -> None:
    facts = facts_of(make_proposal())
    with closing(WordStore(service.settings.home / FILE)) as store:
        for words in (Words(text="Good.", by=HOSTILE), template(facts, "numbers")):
            store.keep(facts, HOSTILE, words, 1.5)
    found = await read(http)
    for outcome in ("written", "numbers"):
        labels = {"about": "proposal", "model": HOSTILE, "outcome": outcome}
        assert value(found["pillion_words"], "_total", **labels) == 1
        assert value(found["pillion_words_seconds"], "_total", **labels) == 1.5


async def test_models_are_measured_by_what_they_did(http: httpx.AsyncClient) -> None:
    await http.post("/v1/ask", json={"request": "what waits for me?"})
    times = (await read(http))["pillion_model_seconds"]
    about = {"operation": "rules", "outcome": "answered"}
    assert times.type == "histogram" and value(times, "_count", **about) >= 1
    assert value(times, "_bucket", le="0.1", **about) >= 1
