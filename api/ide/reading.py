"""Tools that only look: products, their data, proposals and their evidence."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import Field

from api.ide.calls import Call
from api.ide.contract import Explained, ProductLine, Proposals, ServiceStatus
from api.ide.questions import can_be_asked
from api.ide.words import explained, line_of
from api.products import serving_of
from api.service.desk import (
    Listing,
    Sort,
    Stage,
    Wanted,
    known_offer,
    known_offers,
    known_product,
    known_products,
)
from api.service.service import Service
from mcp_servers.product.contract import Changes, ProductDescription, QueryResult
from tools.messages import ChangeKind
from tools.words.proposals import facts_of

Product = Annotated[str, Field(min_length=1, max_length=100, description="The product's name.")]
ProposalId = Annotated[str, Field(min_length=1, max_length=100, description="A proposal's id.")]
MOST = 200


async def status(call: Call) -> ServiceStatus:
    """Say who you are here, which data products there are, what waits and what runs."""
    service, caller = call.service, call.caller
    running = service.ledger.threads(status="running")
    return ServiceStatus(
        version=version("pillion"),
        principal=caller.principal,
        can_ask_person=can_be_asked(call.context),
        products=tuple(_line(service, name) for name in known_products(service, caller)),
        working=tuple(t.id for t in running if caller.may("viewer", t.product)),
    )


def _line(service: Service, name: str) -> ProductLine:
    last = next(iter(service.ledger.threads(name)), None)
    return ProductLine(
        name=name,
        waiting=len(service.ledger.listed(name, waiting=True)),
        served=serving_of(service.settings, name) is not None,
        last_run=last.id if last else None,
        last_run_status=last.status if last else None,
    )


async def describe_product(call: Call, product: Product) -> ProductDescription:
    """Describe a data product: tables, columns, sizes, contract, and where the two disagree."""
    known_product(call.service, call.caller, product)
    async with call.service.steward.product(product) as client:
        return await client.describe_product()


async def query_product(
    call: Call,
    product: Product,
    sql: Annotated[str, Field(max_length=100_000, description="One SELECT statement (DuckDB).")],
    max_rows: Annotated[int, Field(ge=1, le=10_000, description="Most rows to return.")] = 100,
) -> QueryResult:
    """Run one read-only query on a product's own tables, with a time and a row limit."""
    known_product(call.service, call.caller, product)
    call.caller.check("operator", product)
    async with call.service.steward.product(product) as client:
        return await client.run_query(sql, max_rows)


async def list_changes(call: Call, product: Product) -> Changes:
    """List every change Pillion made to a product, with its state, from the product's ledger."""
    known_product(call.service, call.caller, product)
    async with call.service.steward.product(product) as client:
        return await client.list_changes()


async def list_proposals(
    call: Call,
    product: Annotated[str | None, Field(description="Only this product's.")] = None,
    status: Annotated[Stage | None, Field(description="Only those that stand so.")] = None,
    kind: Annotated[ChangeKind | None, Field(description="Only changes of this kind.")] = None,
    sort: Sort = "offered_at",
    order: Literal["asc", "desc"] = "desc",
    limit: Annotated[int, Field(ge=1, le=MOST)] = 50,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> Proposals:
    """List proposals, answered or not, each as it was offered last."""
    wanted = Wanted(product, None, status, kind)
    return await _listed(call, wanted, Listing(sort, order, limit, offset))


async def list_pending(
    call: Call,
    product: Annotated[str | None, Field(description="Only this product's.")] = None,
) -> Proposals:
    """List the proposals that wait for a person's answer, most certain gain first."""
    return await _listed(call, Wanted(product, status="waiting"), Listing("gain", "desc", MOST))


async def _listed(call: Call, wanted: Wanted, listing: Listing) -> Proposals:
    lines, total = await known_offers(call.service, call.caller, wanted, listing, line_of)
    return Proposals(proposals=tuple(lines), total=total)


async def explain_proposal(call: Call, proposal_id: ProposalId) -> Explained:
    """Explain a proposal with its evidence: what gains, what loses, cost, contract, risk, undo."""
    offer = known_offer(call.service, call.caller, proposal_id)
    facts = facts_of(offer.proposal)
    call.service.explainer.later(facts)
    return explained(offer, call.service.explainer.known(facts))
