"""The products a process talks to: one connection each, shared while anybody needs it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graph.steward import Targets
from mcp_servers.product.client import ProductClient


class Products:
    """Clients by product: a child owns the database, so two for one product cannot be."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._clients: dict[str, ProductClient] = {}
        self._users: Counter[str] = Counter()
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """One connection is closed before the next one to its product opens."""

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[ProductClient]:
        """Lend the product's client; the connection ends with its last user."""
        async with self._gates[name]:
            if name not in self._clients:
                self._clients[name] = ProductClient(self._targets(name))
            client = self._clients[name]
            self._users[name] += 1
        try:
            yield client
        finally:
            async with self._gates[name]:
                self._users[name] -= 1
                if not self._users[name]:
                    await self._clients.pop(name).close()
