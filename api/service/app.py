"""The ASGI application over a service."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from api.ide.endpoint import add_endpoint
from api.ide.server import Extend, build_server
from api.service import (
    asking,
    assistants,
    meta,
    metrics,
    problems,
    products,
    proposals,
    protocol,
    runs,
    states,
    store,
    threads,
    trail,
    unserved,
)
from api.service.guard import EXPOSED, Guard
from api.service.manual import add_manual
from api.service.observing import Observing
from api.service.service import Service

ROUTERS = (
    meta.router,
    metrics.router,
    products.router,
    proposals.router,
    trail.router,
    asking.router,
    unserved.router,
    assistants.router,
    threads.router,
    states.router,
    runs.router,
    protocol.router,
    store.router,
)


def build_app(service: Service, extend: Extend | None = None) -> ASGIApp:
    """Return the guarded application; the service is opened and closed by the caller."""
    app: ASGIApp = build_api(service, extend)
    if service.limits.origins:
        # Around all of it: pages may read what a fault of ours says, too.
        app = CORSMiddleware(
            app, allow_origins=sorted(service.limits.origins), allow_methods=["*"],
            allow_headers=["*"], expose_headers=EXPOSED,
        )  # fmt: skip
    return Observing(Guard(app, service.limits), service.requests)


def build_api(service: Service, extend: Extend | None = None) -> FastAPI:
    """Return the routes of a service, with its MCP server, which `extend` may add to."""
    app = FastAPI(
        title="Pillion",
        version=version("pillion"),
        description="Data products that are improved with your say: measured, asked, undoable.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    add_manual(app)
    add_endpoint(app, service, build_server(service, extend))
    return app
