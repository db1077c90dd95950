"""Asking the service that holds a home: it answers alike, and may start a run there."""

from __future__ import annotations

import httpx2

from api.asking.contract import Reply
from api.ide.stdio import trusted
from api.presence import Serving
from api.service.settings import ServiceSettings
from graph.errors import GraphError

SECONDS = 120.0


async def ask_service(
    serving: Serving, limits: ServiceSettings, request: str, product: str | None
) -> Reply:
    """Return what the service replies; raises `GraphError` with its words where it refuses."""
    body = {"request": request, "product": product}
    headers = {"authorization": f"Bearer {serving.token}"}
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False, verify=trusted(limits)) as http:
        try:
            answer = await http.post(f"{serving.url}/v1/ask", json=body, headers=headers)
        except httpx2.HTTPError as exc:
            raise GraphError(f"The service at {serving.url} gave no answer: {exc}.") from exc
    found = answer.json()
    if answer.status_code != 200:
        raise GraphError(str(found.get("detail", "The service refused the request.")))
    return Reply.model_validate(found)
