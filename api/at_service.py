"""The service that holds a home, as the person at this machine speaks to it from another process.

What changes anything goes through it: it is what drives the graph there.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx2

from api.presence import Serving
from api.service.settings import ServiceSettings
from api.service.terminal import said_to_be
from graph.errors import AlreadyUndone, GraphError
from graph.steward import OnEvent
from tools.messages import AgentName

TIMEOUT = httpx2.Timeout(5.0, read=None)
"""Reading has no end of its own: a run takes minutes, a person may take longer."""
SHOWN = ("tasks", "custom")


class ServiceGone(GraphError):
    """The service ended before it answered; what was asked of it may have been taken."""

    def __init__(self, url: str, error: object) -> None:
        super().__init__(
            f"The service at {url} gave no answer: {error}. What it took goes on when it is back;"
            " look with `pillion status` before you ask again."
        )


def trusted(limits: ServiceSettings) -> ssl.SSLContext:
    """Return whom to trust as the service: whoever has the certificate that settings name.

    It is found by its address on this machine, which no certificate has to name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if limits.tls_certificate:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(limits.tls_certificate)
    return context


@dataclass(frozen=True)
class AtService:
    """What commands ask of a running service; each call raises `GraphError` with its words."""

    serving: Serving
    limits: ServiceSettings
    person: str
    """Who asks, as the terminal knows them ..."""
    key: str = ""
    """... or as the service does."""

    async def get(self, path: str, query: Mapping[str, Any]) -> Any:
        """Return the document at a path."""
        async with self._http() as http:
            return _document(await http.get(path, params=query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a document and return the answer's."""
        async with self._http() as http:
            return _document(await http.post(path, json=body))

    async def improve(
        self,
        product: str,
        agents: Sequence[AgentName],
        budget_seconds: float | None,
        on_event: OnEvent,
    ) -> str:
        """Start a run, follow it to its question or its end, and return its thread."""
        asked: dict[str, Any] = {"agents": list(agents)}
        if budget_seconds is not None:
            asked["budget_seconds"] = budget_seconds
        begun = await self.post(f"/v1/products/{quote(product, safe='')}/runs", asked)
        where = f"/threads/{begun['thread']}/runs/{begun['run']}"
        async with self._http() as http:
            query = {"stream_mode": SHOWN}
            async with http.stream("GET", f"{where}/stream", params=query) as response:
                async for event in httpx2.EventSource(response):
                    _hand_on(event, on_event)
            run = _document(await http.get(where))
        if run["status"] in ("pending", "running"):
            raise ServiceGone(self.serving.url, "it stopped")
        if run["error"]:
            raise GraphError(run["error"]["message"])
        return str(begun["thread"])

    async def undo(self, proposal_id: str) -> None:
        """Take an applied change back; raises `AlreadyUndone` where it was before."""
        where = f"/v1/proposals/{quote(proposal_id, safe='')}/undo"
        async with self._http() as http:
            answer = await http.post(where, json={})
        with suppress(ValueError, KeyError, TypeError):
            said = answer.json()
            if said["title"] == "already_undone":
                since = datetime.fromisoformat(said["since"])
                raise AlreadyUndone(proposal_id, said["how"], since)
        _document(answer)

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"authorization": f"Bearer {self.key or self.serving.token}"}
        headers |= {} if self.key else said_to_be(self.person)
        async with httpx2.AsyncClient(
            base_url=self.serving.url, headers=headers, timeout=TIMEOUT, trust_env=False,
            verify=trusted(self.limits),
        ) as http:  # fmt: skip
            try:
                yield http
            except httpx2.HTTPError as exc:
                raise ServiceGone(self.serving.url, exc or type(exc).__name__) from exc


def _document(answer: httpx2.Response) -> Any:
    try:
        found = answer.json()
    except ValueError as exc:
        raise GraphError(f"The service answered {answer.status_code} without a document.") from exc
    if answer.status_code == 401:
        raise GraphError(
            "The service does not take the key in PILLION_KEY: set one that holds (`pillion keys"
            " list`), or none to be the person at this machine."
        )
    if answer.status_code >= 400:
        raise GraphError(str(found.get("detail", "The service refused the request.")))
    return found


def _hand_on(event: Any, on_event: OnEvent) -> None:
    """Tell a step of the run as a run in this process would tell it."""
    if event.event == "custom":
        on_event(event.json())
    elif event.event == "tasks":
        task = event.json()
        status = "started" if "input" in task else "finished"
        on_event({"kind": "node", "node": task["name"], "status": status})
