"""LangGraph routes that this service has not: each says so, and what to do instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from api.service.access import Operator
from api.service.problems import Refused

router = APIRouter(tags=["not served"])
CRONS = "This service keeps no schedules; start runs from cron, or give after_seconds."
ASSISTANTS = (
    "Assistants are the graphs that are served, one each; give config and context with a run."
)
METADATA = "What is kept beside a thread is changed with PATCH /threads/{thread_id}."
COMPONENTS = "This service keeps no parts of pages; serve them with the page."
UNSERVED = {
    ("POST", "/runs/crons"): CRONS,
    ("POST", "/runs/crons/search"): CRONS,
    ("POST", "/runs/crons/count"): CRONS,
    ("PATCH", "/runs/crons/{cron_id}"): CRONS,
    ("DELETE", "/runs/crons/{cron_id}"): CRONS,
    ("POST", "/threads/{thread_id}/runs/crons"): CRONS,
    ("POST", "/assistants"): ASSISTANTS,
    ("PATCH", "/assistants/{assistant_id}"): ASSISTANTS,
    ("DELETE", "/assistants/{assistant_id}"): ASSISTANTS,
    ("POST", "/assistants/{assistant_id}/latest"): ASSISTANTS,
    ("PATCH", "/threads/{thread_id}/state"): METADATA,
    ("POST", "/ui/{assistant_id}"): COMPONENTS,
}


def _refusing(why: str) -> Callable[..., Awaitable[Response]]:
    async def refuse(caller: Operator) -> Response:
        raise Refused(404, "not_served", why)

    return refuse


for (_method, _path), _why in UNSERVED.items():
    router.add_api_route(
        _path, _refusing(_why), methods=[_method], summary="Not served", description=_why,
        operation_id=f"unserved_{_method}_{_path}".lower(), responses={404: {"description": _why}},
    )  # fmt: skip
