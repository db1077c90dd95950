"""Own routes: products, what was changed in them, and runs about them."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.products import descriptor_of, product_names, serving_of
from api.service.access import Caller, Operator, Viewer
from api.service.service import Served, Service
from api.service.wire import json_response
from api.views import run_view
from graph.engine.requests import RunRequest
from graph.engine.steward_graph import STEWARD
from graph.errors import UnknownProduct, UnknownThread
from tools.messages import AgentName

router = APIRouter(tags=["products"], prefix="/v1")
RUN_EXAMPLE = {"agents": ["schema"], "budget_seconds": 60}


class RunAsked(BaseModel):
    """What a run looks at, and how long it may measure."""

    model_config = ConfigDict(extra="forbid")

    agents: list[AgentName] = []
    budget_seconds: float | None = Field(default=None, gt=0, le=86_400)


def known_product(service: Service, caller: Caller, name: str) -> None:
    """Raise unless the caller may see that product; others' products are unknown."""
    if not caller.may("viewer", name):
        mine = tuple(n for n in product_names(service.settings) if caller.may("viewer", n))
        raise UnknownProduct(name, mine)
    descriptor_of(service.settings, name)


def _view(service: Service, name: str) -> dict[str, Any]:
    serving = serving_of(service.settings, name)
    waiting = service.ledger.offers(name, waiting=True)
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
    names = [n for n in product_names(service.settings) if caller.may("viewer", n)]
    return [_view(service, name) for name in names]


@router.get("/products/{product}")
async def get_product(service: Served, caller: Viewer, product: str) -> dict[str, Any]:
    """Return a product with its tables, as its server describes it."""
    known_product(service, caller, product)
    async with service.steward.product(product) as client:
        described = await client.describe_product()
    return {**_view(service, product), "description": described.model_dump(mode="json")}


@router.get("/products/{product}/changes")
async def list_changes(service: Served, caller: Viewer, product: str) -> list[dict[str, Any]]:
    """List every change made to a product, from its own ledger, oldest first."""
    known_product(service, caller, product)
    async with service.steward.product(product) as client:
        made = await client.list_changes()
    return [change.model_dump(mode="json") for change in made.changes]


@router.post("/products/{product}/runs", status_code=202)
async def start_run(
    service: Served,
    caller: Operator,
    product: str,
    asked: Annotated[RunAsked, Body(examples=[RUN_EXAMPLE])],
) -> Response:
    """Start looking for improvements; follow it at `Location`."""
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
    run = await service.engine.submit(thread_id, request, caller.principal)
    where = f"/threads/{thread_id}/runs/{run.run_id}"
    body = {"thread": thread_id, "run": run.run_id, "status": run.status}
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
    thread = service.ledger.thread(thread_id)
    if not caller.may("viewer", thread.product):
        raise UnknownThread(thread_id)
    return run_view(service.settings, service.ledger, thread_id, rejected=True)
