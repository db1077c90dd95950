"""Own routes: products, what was changed in them, and runs about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from api.describing import Drafts, drafted, undescribed
from api.products import serving_of
from api.service.access import Starter, Viewer
from api.service.desk import RunAsked, begin_run, known_product, known_products, known_thread
from api.service.service import Served, Service
from api.service.wire import json_response
from api.views import run_view

router = APIRouter(tags=["products"], prefix="/v1")
RUN_EXAMPLE = {"agents": ["schema"], "budget_seconds": 60}


def product_view(service: Service, name: str) -> dict[str, Any]:
    """Return a product for the list."""
    serving = serving_of(service.settings, name)
    waiting = service.ledger.listed(name, waiting=True)
    last = next(iter(service.ledger.threads(name)), None)
    return {
        "name": name,
        "serving": serving.url if serving else None,
        "waiting": len(waiting),
        "last_run": last._asdict() if last else None,
    }


@router.get("/products")
async def list_products(service: Served, caller: Viewer) -> list[dict[str, Any]]:
    """List the products of this home."""
    return [product_view(service, name) for name in known_products(service, caller)]


@router.get("/products/{product}")
async def get_product(service: Served, caller: Viewer, product: str) -> dict[str, Any]:
    """Return a product with its tables, as its server describes it."""
    known_product(service, caller, product)
    async with service.steward.product(product) as client:
        described = await client.describe_product()
    return {**product_view(service, product), "description": described.model_dump(mode="json")}


@router.get("/products/{product}/changes")
async def list_changes(service: Served, caller: Viewer, product: str) -> list[dict[str, Any]]:
    """List every change made to a product, from its own ledger, oldest first."""
    known_product(service, caller, product)
    async with service.steward.product(product) as client:
        made = await client.list_changes()
    return [change.model_dump(mode="json") for change in made.changes]


@router.get("/products/{product}/drafts")
async def draft_descriptions(
    service: Served,
    caller: Viewer,
    product: str,
    only: Annotated[list[str] | None, Query()] = None,
) -> Drafts:
    """Draft descriptions of tables and columns that the contract leaves without one.

    `only` names some as TABLE or TABLE.COLUMN. Nothing is written: `pillion describe` does that.
    """
    known_product(service, caller, product)
    async with service.steward.product(product) as client:
        found = await undescribed(client, only or ())
    for facts in found.facts.values():
        service.explainer.later(facts)
    return drafted(found, service.explainer.known)


@router.post("/products/{product}/runs", status_code=202)
async def start_run(
    service: Served,
    caller: Starter,
    product: str,
    asked: Annotated[RunAsked, Body(examples=[RUN_EXAMPLE])],
) -> Response:
    """Start looking for improvements; follow it at `Location`."""
    run = await begin_run(service, caller, product, asked)
    where = f"/threads/{run.thread_id}/runs/{run.run_id}"
    body = {"thread": run.thread_id, "run": run.run_id, "status": run.status}
    response = json_response(body, {"location": f"{where}/stream", "content-location": where})
    response.status_code = 202
    return response


@router.get("/runs")
async def list_runs(
    service: Served, caller: Viewer, product: str | None = None, status: str | None = None
) -> list[dict[str, Any]]:
    """List runs about products, newest first."""
    found = service.ledger.threads(product, status)
    return [t._asdict() for t in found if caller.may("viewer", t.product)]


@router.get("/runs/{thread_id}")
async def get_run(service: Served, caller: Viewer, thread_id: str) -> dict[str, Any]:
    """Return a run with its proposals and with what was tried and lost."""
    known_thread(service, caller, thread_id)
    return run_view(service.settings, service.ledger, thread_id, rejected=True)
