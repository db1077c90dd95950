"""A hundred people answer a hundred proposals at once, twice, and too late."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from api.service.app import build_app
from api.service.service import open_service
from api.service.settings import ServiceSettings
from graph.ledger import now
from graph.settings import Settings
from tests.api.service.conftest import HOST
from tests.factories import make_proposal

PEOPLE = PROPOSALS = 100
EACH = 3
"""Proposals one person answers; a third of the requests is sent twice."""


async def test_each_proposal_is_decided_once_and_all_others_are_told_so(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    limits = ServiceSettings(requests_per_second=1e6)
    async with open_service(settings, limits) as service:
        at = now()
        proposals = [
            make_proposal(id=f"p{n:03}", created_at=at, expires_at=at + timedelta(days=1))
            for n in range(PROPOSALS)
        ]
        assert len({p.id for p in proposals}) == PROPOSALS
        product = proposals[0].product
        service.ledger.open_thread("raced-1", product, "all")
        service.ledger.offer("raced-1", proposals, "agent:rank")
        # The run that would take the answers is none of this test's business.
        service.engine.draining = True
        keys = [
            service.access.keys.add(f"person-{n}", "person", {product: "approver"})
            for n in range(PEOPLE)
        ]
        transport = httpx.ASGITransport(build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
            answers = await race(http, [p.id for p in proposals], keys)
        standing = {p.id: service.ledger.offer_of(p.id).decision for p in proposals}
        trail = [r.subject for r in service.ledger.audit_rows() if r.actor.startswith("person:")]
        assert service.ledger.verify().ok
    assert all(standing.values())
    decided = {proposal: f"{d.principal.name}" for proposal, d in standing.items() if d}
    for proposal, person, status, body in answers:
        if status == 201:
            assert decided[proposal] == person
        else:
            assert (status, body["title"]) == (409, "already_decided")
            assert body["standing"]["principal"]["name"] == decided[proposal]
    assert Counter(status for *_, status, _ in answers)[409] > PROPOSALS
    assert sorted(trail) == sorted(standing)


async def race(
    http: httpx.AsyncClient, proposals: list[str], keys: list[str]
) -> list[tuple[str, str, int, Any]]:
    """Send everything at once; every proposal is answered by somebody."""
    dice = random.Random(1)

    async def answer(proposal: str, person: int, number: int) -> tuple[str, str, int, Any]:
        verdict = "approve" if number % 2 else "reject"
        headers = {
            "authorization": f"Bearer {keys[person]}", "idempotency-key": f"{proposal} {number}",
        }  # fmt: skip
        where = f"/v1/proposals/{proposal}/decision"
        said = await http.post(where, json={"verdict": verdict}, headers=headers)
        return proposal, f"person-{person}", said.status_code, said.json()

    sent = []
    for person in range(len(keys)):
        mine = [proposals[person], *dice.sample(proposals, EACH - 1)]
        for number, proposal in enumerate(mine):
            sent += [(proposal, person, number)] * (2 if number == 1 else 1)
    dice.shuffle(sent)
    return await asyncio.gather(*(answer(*each) for each in sent))
