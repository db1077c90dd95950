"""Answering beside the service: it holds the home and drives the graph, the ledger is for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Protocol

from graph.ledger import Ledger
from graph.settings import Settings

LONGEST_WAIT = 120.0
LOOK_EVERY = 0.1


class Queue(Protocol):
    """Where answers go: the steward of this process, or the service's."""

    settings: Settings
    ledger: Ledger

    async def recover(self) -> None:
        """Bring up to date what a crash left."""

    async def deliver(self, wanted: str | None = None) -> None:
        """Return when the answers have taken effect."""


@dataclass
class Beside:
    """The queue of a home that the service holds: answers are written here and delivered there."""

    settings: Settings
    ledger: Ledger

    async def recover(self) -> None:
        """Leave it to the service, which does that all the time."""

    async def deliver(self, wanted: str | None = None) -> None:
        """Wait until the service has delivered, or for so long that it cannot now."""
        ends = time.monotonic() + LONGEST_WAIT
        while self._open(wanted) and time.monotonic() < ends:
            await asyncio.sleep(LOOK_EVERY)

    def _open(self, wanted: str | None) -> bool:
        waiting = self.ledger.undelivered()
        return bool(waiting) if wanted is None else wanted in waiting


@asynccontextmanager
async def open_beside(settings: Settings) -> AsyncIterator[Beside]:
    """Open the ledger of a home without holding it."""
    with closing(Ledger(settings.ledger_path)) as ledger:
        yield Beside(settings, ledger)
