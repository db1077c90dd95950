"""`pillion mcp`: the service of this home on standard streams, started here where nobody serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import httpx2
from mcp.server.stdio import stdio_server

from api.at_service import TIMEOUT, trusted
from api.ide.bridge import Bridge
from api.presence import Serving
from api.products import check_writable, service_of
from api.service.settings import ServiceSettings
from graph.errors import Busy
from graph.settings import Settings
from tools.lazy import lazy

if TYPE_CHECKING:
    from api.service import server

    service_server = server
else:
    # Who only bridges need not wait for graph and web server to be imported.
    service_server = lazy("api.service.server")

ONE_USE = httpx2.Limits(max_keepalive_connections=0)
"""A connection kept from before would hide that the service is gone until a message is lost."""


async def bridge_stdio(settings: Settings, limits: ServiceSettings, key: str) -> None:
    """Carry messages between standard streams and the service until standard input ends."""
    check_writable(settings.home)
    async with (
        _Home(settings, limits).opened() as home,
        httpx2.AsyncClient(
            timeout=TIMEOUT, limits=ONE_USE, trust_env=False, verify=trusted(limits)
        ) as http,
        stdio_server() as (incoming, outgoing),
        # Left before the streams are: they end when nothing more is written.
        outgoing,
    ):
        await Bridge(home.reach, key, outgoing.send, http).run(incoming)


@dataclass
class _Home:
    """The service of a home: another process's while there is one, else our own."""

    settings: Settings
    limits: ServiceSettings
    _own: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    _serving: Serving | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[_Home]:
        """Yield it; what was started here ends with the block, its runs go on at the next start."""
        try:
            yield self
        finally:
            self._stop.set()
            if self._own is not None:
                await asyncio.wait({self._own})

    async def reach(self) -> Serving:
        """Return the service; raises `Busy` where a command works in the home."""
        async with self._gate:
            if self._serving is not None and self._own is not None and not self._own.done():
                return self._serving
            found = service_of(self.settings)
            if found is not None:
                return found
            try:
                return await self._hold()
            except Busy:
                # Another window may have been quicker.
                found = service_of(self.settings)
                if found is None:
                    raise
                return found

    async def _hold(self) -> Serving:
        ready: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
        self._own = asyncio.create_task(self._keep(ready))
        self._own.add_done_callback(partial(_tell, ready))
        self._serving = await ready
        return self._serving

    async def _keep(self, ready: asyncio.Future[Serving]) -> None:
        async with service_server.held_home(self.settings, self.limits) as serving:
            ready.set_result(serving)
            await self._stop.wait()


def _tell(ready: asyncio.Future[Serving], keeping: asyncio.Task[None]) -> None:
    """Let those who wait for the service know that it did not start."""
    if not ready.done():
        error = None if keeping.cancelled() else keeping.exception()
        ready.set_exception(error or Busy("The service was stopped while it started."))
