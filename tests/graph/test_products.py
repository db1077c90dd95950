from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graph import products
from graph.products import Products


class Client:
    """A connection that counts, and takes a moment to close."""

    live = 0

    def __init__(self, target: Any) -> None:
        type(self).live += 1
        assert type(self).live == 1

    async def close(self) -> None:
        await asyncio.sleep(0.01)
        type(self).live -= 1


async def test_a_product_has_one_connection_while_anybody_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "ProductClient", Client)
    pool = Products(lambda name: lambda: None)
    async with pool.client("sales") as first, pool.client("sales") as second:
        assert first is second

    async def use() -> None:
        async with pool.client("sales"):
            await asyncio.sleep(0.005)

    await asyncio.gather(*(use() for _ in range(5)))
    assert Client.live == 0
