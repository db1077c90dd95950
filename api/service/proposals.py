"""Own routes: the queue of proposals, their evidence, answers, and undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.service.access import Approver, Caller, Viewer
from api.service.service import Served, Service
from api.service.wire import json_response, page_headers
from api.views import offer_view
from graph.answering import GivenAnswer, build_decision
from graph.errors import NotAllowed, UnknownProposal
from graph.ledger import Offer
from tools.messages import CHANGE, ChangeKind

router = APIRouter(tags=["proposals"], prefix="/v1/proposals")
Stage = Literal["waiting", "approved", "rejected", "edited", "expired"]
STAGES: dict[str, Stage] = {
    "approve": "approved", "reject": "rejected", "edit": "edited", "expire": "expired",
}  # fmt: skip
SORTS: dict[str, Callable[[Offer], Any]] = {
    "offered_at": lambda o: o.offered_at,
    "expires_at": lambda o: o.proposal.expires_at,
    "gain": lambda o: o.proposal.evidence.ratio.low,
}
"""By certain gain means by the lower end of its interval."""
Id = Annotated[str, Path(max_length=100)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
EXAMPLES = {
    "approve": {"value": {"verdict": "approve"}},
    "reject": {"value": {"verdict": "reject", "reason": "the feed sends text in June"}},
    "edit": {"value": {"verdict": "edit", "change": {"to_type": "BIGINT"}}},
}


class DecisionAsked(BaseModel):
    """An answer: an edit names the fields of the change that it replaces."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["approve", "edit", "reject"]
    reason: str = Field(default="", max_length=10_000)
    change: dict[str, Any] | None = None


def stage_of(offer: Offer) -> Stage:
    """Return where an offer stands."""
    return STAGES[offer.decision.verdict] if offer.decision else "waiting"


def view(offer: Offer) -> dict[str, Any]:
    """Return a proposal for the list."""
    return {
        **offer_view(offer),
        "status": stage_of(offer),
        "offered_at": offer.offered_at.isoformat(),
    }


def offer_for(service: Service, caller: Caller, proposal_id: str) -> Offer:
    """Return an offer the caller may see; others' are unknown."""
    offer = service.ledger.offer_of(proposal_id)
    if not caller.may("viewer", offer.proposal.product):
        raise UnknownProposal(proposal_id)
    return offer


@router.get("")
async def list_proposals(
    service: Served,
    caller: Viewer,
    product: str | None = None,
    thread: str | None = None,
    status: Stage | None = None,
    kind: ChangeKind | None = None,
    sort: Literal["offered_at", "expires_at", "gain"] = "offered_at",
    order: Literal["asc", "desc"] = "asc",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """List proposals, each as it was offered last; `X-Pagination-Total` says how many there are."""
    found = [
        o
        for o in service.ledger.offers(product, thread, waiting=status == "waiting")
        if caller.may("viewer", o.proposal.product)
        and status in (None, stage_of(o))
        and kind in (None, o.proposal.change.kind)
    ]
    found.sort(key=SORTS[sort], reverse=order == "desc")
    page = found[offset : offset + limit]
    return json_response([view(o) for o in page], page_headers(len(found), offset, len(page)))


@router.get("/{proposal_id}")
async def get_proposal(service: Served, caller: Viewer, proposal_id: Id) -> dict[str, Any]:
    """Return a proposal with its change, the contract's verdict and what became of it."""
    offer = offer_for(service, caller, proposal_id)
    proposal = offer.proposal
    return {
        **view(offer),
        "change": CHANGE.dump_python(proposal.change, mode="json"),
        "contract": proposal.contract.model_dump(mode="json"),
        "principal": proposal.principal.model_dump(mode="json"),
        "affects": list(proposal.affects),
    }


@router.get("/{proposal_id}/evidence")
async def get_evidence(service: Served, caller: Viewer, proposal_id: Id) -> dict[str, Any]:
    """Return everything that was measured, query by query, losers included."""
    return offer_for(service, caller, proposal_id).proposal.evidence.model_dump(mode="json")


@router.post("/{proposal_id}/decision", status_code=201)
async def decide(
    service: Served,
    caller: Approver,
    proposal_id: Id,
    asked: Annotated[DecisionAsked, Body(openapi_examples=EXAMPLES)],
    key: Key = None,
) -> dict[str, Any]:
    """Answer a proposal; the first answer stands, and its run goes on by itself.

    The same answer again under the same `Idempotency-Key` is the same answer.
    """
    product = offer_for(service, caller, proposal_id).proposal.product
    caller.check("approver", product)
    given = GivenAnswer(type=asked.verdict, reason=asked.reason, change=asked.change)
    decision = build_decision(service.ledger, proposal_id, given, caller.principal, "http")
    own_key = f"{caller.principal.name}:{key}" if key is not None else None
    (offer,) = service.ledger.decide_all([decision], own_key)
    service.conductor.wake()
    return view(offer)


@router.post("/{proposal_id}/undo")
async def undo(service: Served, caller: Approver, proposal_id: Id) -> dict[str, Any]:
    """Take an applied change back, in one transaction of the product."""
    product = offer_for(service, caller, proposal_id).proposal.product
    caller.check("approver", product)
    if caller.principal.kind == "agent":
        raise NotAllowed("An agent may never take a change back; a person has to.")
    await service.conductor.undo(proposal_id, f"person:{caller.principal.name}")
    return view(service.ledger.offer_of(proposal_id))
