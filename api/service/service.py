"""The service without its routes: what it holds from start to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from api.products import target_of
from api.service.access import Access
from api.service.settings import ServiceSettings
from graph.ledger import Ledger
from graph.settings import Settings
from graph.steward import Stewardship, open_steward


@dataclass
class Service:
    """One home, held by this process until it is closed."""

    settings: Settings
    limits: ServiceSettings
    steward: Stewardship
    access: Access
    draining: bool = False

    @property
    def ledger(self) -> Ledger:
        """The questions and answers of the home."""
        return self.steward.ledger

    async def drain(self) -> None:
        """Take no more work."""
        self.draining = True


@asynccontextmanager
async def open_service(settings: Settings, limits: ServiceSettings) -> AsyncIterator[Service]:
    """Take the home and open what serves it; raises `Busy` when another process has it."""
    async with open_steward(settings, partial(target_of, settings)) as steward:
        yield Service(settings, limits, steward, Access(settings.person))


def service_of_request(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(service_of_request)]
