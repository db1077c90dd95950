"""Own routes: the queue of proposals, their evidence, answers, and undo."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Path, Query
from starlette.responses import Response

from api.service.access import Approver, Undoer, Viewer
from api.service.desk import (
    DecisionAsked,
    Listing,
    Sort,
    Stage,
    Wanted,
    answer,
    known_offer,
    known_offers,
    stage_of,
    take_back,
)
from api.service.service import Served
from api.service.wire import json_response, page_headers
from api.views import offer_view
from graph.ledger import Offer
from tools.messages import CHANGE, ChangeKind
from tools.words.proposals import facts_of

router = APIRouter(tags=["proposals"], prefix="/v1/proposals")
Id = Annotated[str, Path(max_length=100)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
EXAMPLES = {
    "approve": {"value": {"verdict": "approve"}},
    "reject": {"value": {"verdict": "reject", "reason": "the feed sends text in June"}},
    "edit": {"value": {"verdict": "edit", "change": {"to_type": "BIGINT"}}},
}


def view(offer: Offer) -> dict[str, Any]:
    """Return a proposal for the list."""
    return {
        **offer_view(offer),
        "status": stage_of(offer),
        "offered_at": offer.offered_at.isoformat(),
    }


@router.get("")
async def list_proposals(
    service: Served,
    caller: Viewer,
    product: str | None = None,
    thread: str | None = None,
    status: Stage | None = None,
    kind: ChangeKind | None = None,
    sort: Sort = "offered_at",
    order: Literal["asc", "desc"] = "asc",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """List proposals, each as it was offered last; `X-Pagination-Total` says how many there are."""
    wanted = Wanted(product, thread, status, kind)
    listing = Listing(sort, order, limit, offset)
    page, total = await known_offers(service, caller, wanted, listing, view)
    return json_response(page, page_headers(total, offset, len(page)))


@router.get("/{proposal_id}")
async def get_proposal(service: Served, caller: Viewer, proposal_id: Id) -> dict[str, Any]:
    """Return a proposal with its change, what it comes to in words, and what became of it."""
    offer = known_offer(service, caller, proposal_id)
    proposal = offer.proposal
    facts = facts_of(proposal)
    service.explainer.later(facts)
    return {
        **view(offer),
        "explanation": service.explainer.known(facts).model_dump(mode="json"),
        "change": CHANGE.dump_python(proposal.change, mode="json"),
        "contract": proposal.contract.model_dump(mode="json"),
        "principal": proposal.principal.model_dump(mode="json"),
        "affects": list(proposal.affects),
    }


@router.get("/{proposal_id}/evidence")
async def get_evidence(service: Served, caller: Viewer, proposal_id: Id) -> dict[str, Any]:
    """Return everything that was measured, query by query, losers included."""
    return known_offer(service, caller, proposal_id).proposal.evidence.model_dump(mode="json")


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
    offer = answer(service, caller, proposal_id, asked, "http", key)
    return view(offer)


@router.post("/{proposal_id}/undo")
async def undo(service: Served, caller: Undoer, proposal_id: Id) -> dict[str, Any]:
    """Take an applied change back, in one transaction of the product."""
    return view(await take_back(service, caller, proposal_id))
