"""The queue over HTTP, on a ledger without a product."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.service import Service
from graph.errors import AlreadyDecided
from graph.ledger import Ledger, now
from tests.api.service.test_guard import problem_of
from tests.factories import make_change, make_decision, make_evidence, make_interval, make_proposal
from tests.products import make_product
from tools.messages import Outcome, SortTable, TableName


@pytest.fixture
def offered(service: Service) -> list[str]:
    """Three proposals of one run, the middle one with the greatest gain."""
    at = now()
    changes = [
        make_change(column="a"),
        SortTable(table=TableName(name="flights"), order_by=("b",)),
        make_change(column="c"),
    ]
    proposals = [
        make_proposal(
            change, evidence=make_evidence(ratio=make_interval(gain)),
            created_at=at, expires_at=at + timedelta(days=days),
        )
        for change, gain, days in zip(changes, (2.0, 5.0, 3.0), (3, 2, 1), strict=True)
    ]  # fmt: skip
    service.ledger.open_thread("flights-1", "flights", "all")
    service.ledger.offer("flights-1", proposals, "agent:rank")
    return [p.id for p in proposals]


async def ids(http: httpx.AsyncClient, **query: Any) -> list[str]:
    return [p["id"] for p in (await http.get("/v1/proposals", params=query)).json()]


@pytest.mark.parametrize(
    ("path", "reads"), [("/v1/proposals", "listed"), ("/metrics", "each_offer")]
)
async def test_everything_else_goes_on_while_a_long_list_is_read(
    path: str,
    reads: str,
    http: httpx.AsyncClient,
    offered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, went_on = asyncio.get_running_loop(), threading.Event()
    read = getattr(Ledger, reads)

    def slowly(*asked: Any, **more: Any) -> Any:
        loop.call_soon_threadsafe(went_on.set)
        assert went_on.wait(10), "nothing went on"
        return read(*asked, **more)

    monkeypatch.setattr(Ledger, reads, slowly)
    assert (await http.get(path)).status_code == 200
    assert went_on.is_set()


async def test_an_answer_that_is_refused_meanwhile_disturbs_no_list(
    service: Service, http: httpx.AsyncClient, offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Ledger.listed

    def after_an_answer(ledger: Ledger, *asked: Any, **more: Any) -> Any:
        ledger.offer_of(offered[0])
        answers = [make_decision(offered[0], decided_at=now()) for _ in range(2)]
        service.ledger.decide(answers[0])
        with pytest.raises(AlreadyDecided):
            service.ledger.decide(answers[1])
        return read(ledger, *asked, **more)

    monkeypatch.setattr(Ledger, "listed", after_an_answer)
    # As it was when the reading began.
    assert set(await ids(http, status="waiting")) == set(offered)
    monkeypatch.undo()
    assert set(await ids(http, status="waiting")) == set(offered[1:])


async def test_what_was_taken_back_is_refused_with_since_when(
    http: httpx.AsyncClient, service: Service, offered: list[str]
) -> None:
    outcome = Outcome(proposal_id=offered[0], status="undone", detail="")
    service.ledger.record_outcome(outcome, "person:ada")
    before = service.ledger.audit_rows()
    answer = await http.post(f"/v1/proposals/{offered[0]}/undo")
    assert problem_of(answer) == (409, "already_undone")
    said = answer.json()
    assert (said["how"], said["since"]) == ("undone", before[-1].at)
    assert service.ledger.audit_rows() == before


async def test_proposals_are_filtered_sorted_and_paged(
    http: httpx.AsyncClient, offered: list[str]
) -> None:
    a, b, c = offered
    assert await ids(http) == [a, b, c]
    assert await ids(http, sort="gain", order="desc") == [b, c, a]
    assert await ids(http, sort="expires_at") == [c, b, a]
    assert await ids(http, kind="sort_table") == [b]
    assert await ids(http, product="other") == []
    page = await http.get("/v1/proposals", params={"limit": 2})
    headers = page.headers
    assert (headers["x-pagination-total"], headers["x-pagination-next"]) == ("3", "2")
    assert [p["id"] for p in page.json()] == [a, b]
    assert await ids(http, limit=2, offset=2) == [c]
    one = (await http.get(f"/v1/proposals/{a}")).json()
    assert (one["status"], one["change"]["column"]) == ("waiting", "a")
    evidence = (await http.get(f"/v1/proposals/{a}/evidence")).json()
    assert evidence["queries"] and evidence["rehearsal"]["ok"]


async def test_the_first_answer_stands_and_the_others_are_told_so(
    http: httpx.AsyncClient, service: Service, offered: list[str]
) -> None:
    where = f"/v1/proposals/{offered[0]}/decision"
    verdicts: list[dict[str, Any]] = [{"verdict": v} for v in ("approve", "reject")] * 10
    answers = await asyncio.gather(*(http.post(where, json=v) for v in verdicts))
    assert Counter(a.status_code for a in answers) == {201: 1, 409: 19}
    first = next(a.json() for a in answers if a.status_code == 201)
    for refused in (a for a in answers if a.status_code == 409):
        assert problem_of(refused) == (409, "already_decided")
        assert refused.json()["standing"] == first["decision"]
    assert first["decision"]["principal"] == {"kind": "person", "name": "ada", "version": ""}
    assert first["decision"]["channel"] == "http"
    assert await ids(http, status="waiting") == offered[1:]
    assert service.ledger.verify().ok


async def test_an_answer_to_other_numbers_is_refused(
    http: httpx.AsyncClient, service: Service, offered: list[str]
) -> None:
    where = f"/v1/proposals/{offered[0]}"
    seen = (await http.get(where)).json()["round"]
    service.ledger.offer("flights-2", [service.ledger.proposal(offered[0])], "agent:rank")
    refused = await http.post(f"{where}/decision", json={"verdict": "reject", "round": seen})
    assert problem_of(refused) == (409, "offered_anew")
    assert (await http.get(where)).json()["status"] == "waiting"
    again = await http.post(f"{where}/decision", json={"verdict": "reject", "round": seen + 1})
    assert again.status_code == 201


async def test_the_same_key_is_the_same_answer(http: httpx.AsyncClient, offered: list[str]) -> None:
    where = f"/v1/proposals/{offered[0]}/decision"
    key = {"idempotency-key": "k1"}
    answer = {"verdict": "reject", "reason": "we load every minute"}
    first = await http.post(where, json=answer, headers=key)
    again = await http.post(where, json=answer, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["decision"] == again.json()["decision"]
    other = await http.post(where, json={"verdict": "approve"}, headers=key)
    assert problem_of(other) == (422, "key_reused")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/body/verdict"),
        ({"verdict": "perhaps"}, "/body/verdict"),
        ({"verdict": "expire"}, "/body/verdict"),
        ({"verdict": "approve", "as": "somebody"}, "/body/as"),
        ({"verdict": "reject", "reason": ["x"]}, "/body/reason"),
        ({"verdict": "reject", "reason": "x" * 10_001}, "/body/reason"),
        ([], "/body"),
    ],
)
async def test_a_malformed_answer_names_its_place_and_leaves_the_question_open(
    http: httpx.AsyncClient, offered: list[str], body: Any, path: str
) -> None:
    refused = await http.post(f"/v1/proposals/{offered[0]}/decision", json=body)
    assert problem_of(refused) == (422, "invalid_request")
    assert refused.json()["errors"][0]["path"] == path
    assert offered[0] in await ids(http, status="waiting")


@pytest.mark.parametrize(
    "change", [None, {}, {"column": 5}, {"kind": "drop_table"}, {"table": {"name": "other"}}]
)
async def test_an_edit_has_to_be_a_valid_other_change(
    http: httpx.AsyncClient, offered: list[str], change: Any
) -> None:
    body = {"verdict": "edit", "change": change}
    refused = await http.post(f"/v1/proposals/{offered[0]}/decision", json=body)
    assert problem_of(refused) == (422, "invalid_answer")


async def test_an_approval_with_another_change_is_not_one_of_what_was_measured(
    http: httpx.AsyncClient, offered: list[str]
) -> None:
    body = {"verdict": "approve", "change": {"to_type": "BIGINT"}}
    refused = await http.post(f"/v1/proposals/{offered[0]}/decision", json=body)
    assert problem_of(refused) == (422, "invalid_answer")
    assert offered[0] in await ids(http, status="waiting")


async def test_an_edit_is_recorded_with_the_edited_change(
    http: httpx.AsyncClient, offered: list[str]
) -> None:
    body = {"verdict": "edit", "change": {"to_type": "BIGINT"}}
    answer = await http.post(f"/v1/proposals/{offered[0]}/decision", json=body)
    assert answer.json()["decision"]["edited"]["to_type"] == "BIGINT"
    assert answer.json()["status"] == "edited"


@pytest.mark.parametrize("unknown", ["p0", "..%2f..", "%00", "p" * 500, "\u202ep"])
async def test_unknown_proposals_are_said_to_be_unknown(
    http: httpx.AsyncClient, unknown: str
) -> None:
    for route in ("", "/evidence"):
        assert (await http.get(f"/v1/proposals/{unknown}{route}")).status_code in (404, 422)
    refused = await http.post(f"/v1/proposals/{unknown}/decision", json={"verdict": "approve"})
    assert refused.status_code in (404, 422)


async def test_the_trail_is_listed_verified_and_exported(
    http: httpx.AsyncClient, service: Service, offered: list[str]
) -> None:
    rows = (await http.get("/v1/audit", params={"limit": 2})).json()
    assert [r["action"] for r in rows] == ["proposal.offered"] * 2
    verified = (await http.get("/v1/audit/verify")).json()
    assert (verified["ok"], verified["rows"]) == (True, 4)
    lines = (await http.get("/v1/audit/export")).text.splitlines()
    assert len(lines) == 5 and verified["head"] in lines[-1]


async def test_metrics_count_what_waits_and_what_was_answered(
    http: httpx.AsyncClient, offered: list[str]
) -> None:
    await http.post(f"/v1/proposals/{offered[0]}/decision", json={"verdict": "reject"})
    lines = (await http.get("/metrics")).text.splitlines()
    assert 'pillion_proposals_waiting{product="flights"} 2' in lines
    assert 'pillion_decisions{product="flights",verdict="reject"} 1' in lines


async def test_where_policy_wants_two_the_queue_shows_who_approved(
    service: Service, http: httpx.AsyncClient, offered: list[str]
) -> None:
    (service.settings.home / "policy.toml").write_text("[[rule]]\napprovals = 2\n")
    where = f"/v1/proposals/{offered[0]}/decision"
    people = [
        {"x-api-key": service.access.keys.add(name, "person", {"*": "approver"})}
        for name in ("bob", "cem")
    ]
    first = await http.post(where, json={"verdict": "approve"}, headers=people[0])
    assert (first.status_code, first.json()["status"]) == (201, "waiting")
    listed = (await http.get("/v1/proposals", headers=people[1])).json()[0]
    assert [a["principal"]["name"] for a in listed["approvals"]] == ["bob"]
    assert listed["approvals_needed"] == 2
    again = await http.post(where, json={"verdict": "approve"}, headers=people[0])
    assert problem_of(again) == (409, "already_approved")
    last = await http.post(where, json={"verdict": "approve"}, headers=people[1])
    assert (last.status_code, last.json()["status"]) == (201, "approved")


async def test_who_asked_for_a_run_over_http_may_not_approve_where_policy_wants_two(
    service: Service, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    make_product(tmp_path, service.settings.home, rows=10)
    key = {"x-api-key": service.access.keys.add("bob", "person", {"*": "approver"})}
    started = await http.post("/v1/products/sales/runs", json={}, headers=key)
    thread = started.json()["thread"]
    trail = [(r.actor, r.action, r.subject) for r in service.ledger.audit_rows()]
    assert ("person:bob", "run.requested", thread) in trail
    await http.post(f"/threads/{thread}/runs/{started.json()['run']}/cancel", headers=key)
