"""What callers may do with products and proposals, whichever door they come through.

The own routes and the MCP tools call these; roles, standing answers and keys are checked here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.products import product_names
from api.service.access import Caller
from api.service.service import Service
from graph.answering import GivenAnswer, build_decision
from graph.engine.records import RunRow
from graph.engine.requests import RunRequest
from graph.engine.steward_graph import STEWARD
from graph.errors import NotAllowed, UnknownProduct, UnknownProposal, UnknownThread
from graph.ledger import Ledger, Offer, Thread
from graph.offers import Listed
from tools.messages import AgentName, ChangeKind, Channel

T = TypeVar("T")
Stage = Literal["waiting", "approved", "rejected", "edited", "expired"]
STAGES: dict[str | None, Stage] = {
    None: "waiting",
    "approve": "approved", "reject": "rejected", "edit": "edited", "expire": "expired",
}  # fmt: skip
SORTS: dict[str, Callable[[Listed], Any]] = {
    "offered_at": lambda o: o.offered_at,
    "expires_at": lambda o: o.expires_at,
    "gain": lambda o: o.gain,
}
"""By certain gain means by the lower end of its interval."""
Sort = Literal["offered_at", "expires_at", "gain"]
Given = Literal["approve", "edit", "reject"]


class RunAsked(BaseModel):
    """What a run looks at, and how long it may measure."""

    model_config = ConfigDict(extra="forbid")

    agents: list[AgentName] = []
    budget_seconds: float | None = Field(default=None, gt=0, le=86_400)


class DecisionAsked(BaseModel):
    """An answer: an edit names the fields of the change that it replaces."""

    model_config = ConfigDict(extra="forbid")

    verdict: Given
    reason: str = Field(default="", max_length=10_000)
    change: dict[str, Any] | None = None
    round: int | None = Field(default=None, ge=1)
    """That of the offer which the person saw; one that was measured anew since is refused."""


class Wanted(NamedTuple):
    """Which proposals to find; what is None is not asked for."""

    product: str | None = None
    thread: str | None = None
    status: Stage | None = None
    kind: ChangeKind | None = None


class Listing(NamedTuple):
    """How to sort them, and which part to give."""

    sort: Sort
    order: Literal["asc", "desc"]
    limit: int | None = None
    offset: int = 0


class Page(NamedTuple, Generic[T]):
    """A part of what was found, and how many there are in all."""

    shown: list[T]
    total: int


def known_products(service: Service, caller: Caller) -> tuple[str, ...]:
    """Return the products that the caller may see."""
    return tuple(n for n in product_names(service.settings) if caller.may("viewer", n))


def known_product(service: Service, caller: Caller, name: str) -> None:
    """Raise unless there is that product and the caller may see it; others' are unknown."""
    known = known_products(service, caller)
    if name not in known:
        raise UnknownProduct(name, known)


def known_thread(service: Service, caller: Caller, thread_id: str) -> Thread:
    """Return a run about a product the caller may see; others' runs are unknown."""
    thread = service.ledger.thread(thread_id)
    if not caller.may("viewer", thread.product):
        raise UnknownThread(thread_id)
    return thread


async def begin_run(service: Service, caller: Caller, product: str, asked: RunAsked) -> RunRow:
    """Start looking for improvements in a thread of its own."""
    known_product(service, caller, product)
    caller.check("operator", product)
    context = {} if asked.budget_seconds is None else {"budget_seconds": asked.budget_seconds}
    request = RunRequest(
        assistant_id=STEWARD,
        input={"product": product, "agents": asked.agents},
        context=context,
        stream_mode=["updates", "custom"],
    )
    thread_id = f"{product}-{uuid.uuid4()}"
    about = {"graph_id": STEWARD, "product": product, "created_by": caller.principal.name}
    service.engine.records.add_thread(thread_id, about)
    return await service.engine.submit(thread_id, request, caller.principal)


def stage_of(offer: Offer) -> Stage:
    """Return where an offer stands."""
    return STAGES[offer.decision.verdict if offer.decision else None]


def known_offer(service: Service, caller: Caller, proposal_id: str) -> Offer:
    """Return an offer the caller may see; others' are unknown."""
    offer = service.ledger.offer_of(proposal_id)
    if not caller.may("viewer", offer.proposal.product):
        raise UnknownProposal(proposal_id)
    return offer


async def known_offers(
    service: Service, caller: Caller, wanted: Wanted, listing: Listing, shown: Callable[[Offer], T]
) -> Page[T]:
    """Return the offers that are wanted and that the caller may see, as they are to be shown."""

    def read(ledger: Ledger) -> Page[T]:
        found = [
            o
            for o in ledger.listed(
                wanted.product, wanted.thread, waiting=wanted.status == "waiting"
            )
            if caller.may("viewer", o.product)
            and wanted.status in (None, STAGES[o.verdict])
            and wanted.kind in (None, o.kind)
        ]
        found.sort(key=SORTS[listing.sort], reverse=listing.order == "desc")
        page = found[listing.offset :][: listing.limit]
        # One by one: thousands at once are long in being cleared away, and that stops everything.
        return Page([shown(ledger.offer_of(o.id, o.round + 1)) for o in page], len(found))

    return await service.read_ledger(read)


def check_may_answer(caller: Caller, product: str) -> None:
    """Raise unless the caller is a person who may answer for that product."""
    caller.check("approver", product)
    if caller.principal.kind == "agent":
        raise NotAllowed("An agent may never answer or take back; a person has to.")


def answer(
    service: Service,
    caller: Caller,
    proposal_id: str,
    asked: DecisionAsked,
    channel: Channel,
    key: str | None = None,
) -> Offer:
    """Record an answer; the first one stands, and its run goes on by itself.

    The same answer again under the same `key` is the same answer.
    """
    check_may_answer(caller, known_offer(service, caller, proposal_id).proposal.product)
    given = GivenAnswer(type=asked.verdict, reason=asked.reason, change=asked.change)
    decision = build_decision(service.ledger, proposal_id, given, caller.principal, channel)
    own_key = f"{caller.principal.name}:{key}" if key is not None else None
    (offer,) = service.ledger.decide_all([decision], own_key, {proposal_id: asked.round})
    service.conductor.wake()
    return offer


async def take_back(service: Service, caller: Caller, proposal_id: str) -> Offer:
    """Take an applied change back, in one transaction of the product."""
    check_may_answer(caller, known_offer(service, caller, proposal_id).proposal.product)
    await service.conductor.undo(proposal_id, f"person:{caller.principal.name}")
    return service.ledger.offer_of(proposal_id)
