"""Progress of the long tools, as their client hears it; no client can hold the work up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_servers.product import server
from mcp_servers.product.client import ProductClient, connect, stdio_target
from mcp_servers.product.contract import ApplyRequest
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.mcp_servers.product.test_live_proof import timed_before
from tests.mcp_servers.product.test_service import RETYPE, asked
from tests.products import make_product
from tools.messages import Message

TEXT = "SELECT region, count(*) AS n FROM sales GROUP BY region"
PARTS = 8
"""Of timing one query: seven rounds and one to warm up."""
APPLIED = [
    (0, PARTS + 4, "timing before"),
    (PARTS, PARTS + 4, "keeping the answers of now"),
    (PARTS + 1, PARTS + 4, "making the change: change type sales.amount"),
    (PARTS + 2, PARTS + 4, "comparing the answers"),
    (PARTS + 3, PARTS + 4, "committing the change"),
]
UNDONE = [(0, 1, "taking back change type sales.amount")]


class Heard:
    """A client that keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[tuple[float, float | None, str | None]] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.words.append((progress, total, message))

    @property
    def steps(self) -> list[tuple[float, float | None, str | None]]:
        """What was told of whole steps, without their parts."""
        return [w for w in self.words if w[2] and ", query" not in w[2]]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProductService]:
    service = ProductService(
        make_product(tmp_path, tmp_path / "home", rows=2000), ProductSettings()
    )
    yield service
    service.close()


@pytest.fixture
async def client(service: ProductService) -> AsyncIterator[ProductClient]:
    built = build_server(service)
    async with connect(lambda: built) as client:
        yield client


@pytest.fixture
def request_(service: ProductService) -> ApplyRequest:
    return asked(service, RETYPE, "p1").model_copy(update={"queries": (TEXT,)})


async def test_a_change_is_told_step_by_step_there_and_back(
    client: ProductClient, service: ProductService, request_: ApplyRequest
) -> None:
    applying, again, proving, undoing = Heard(), Heard(), Heard(), Heard()
    await client.apply_change(request_, applying)
    await client.apply_change(request_, again)
    assert (applying.steps, again.words) == (APPLIED, [])
    timed_before(service, 0.001)
    await client.verify_change("p1", proving, floor=0.01)
    assert [(done, text) for done, _, text in proving.steps] == [
        (0, "timing after"),
        (PARTS, "making copies with and without the change"),
        (PARTS + 1, "timing by turns on the copies"),
    ]
    await client.undo_change("p1", undoing)
    assert undoing.words == UNDONE


async def test_a_rehearsal_is_told_like_the_measurement_that_it_is(client: ProductClient) -> None:
    heard = Heard()
    await client.rehearse_change(RETYPE, heard)
    texts = [text for _, _, text in heard.words]
    assert heard.words[0] == (0, 3, "copying the database")
    assert "candidate 1/1 change type sales.amount: rehearsing the undo" in texts
    assert "candidate 1/1 change type sales.amount: timing inserts" in texts


@pytest.mark.parametrize(("agent", "first"), [
    ("schema", "looking for change type"), ("query", "looking for create summary"),
])  # fmt: skip
async def test_where_ideas_are_looked_for_is_told(
    agent: Any, first: str, client: ProductClient
) -> None:
    heard = Heard()
    await client.find_candidates(agent, heard)
    texts = [text for _, _, text in heard.words]
    assert texts[0] == first
    assert "checking the ideas against the contract" in texts
    counts = [done for done, _, _ in heard.words]
    assert counts == sorted(counts)


async def test_progress_comes_over_stdio_in_order_and_before_the_result(
    service: ProductService, request_: ApplyRequest
) -> None:
    service.close()
    heard = Heard()
    async with connect(stdio_target(service.home / "product.odps.yaml")) as client:
        await client.apply_change(request_, heard)
        assert heard.steps == APPLIED
        heard.words.clear()
        await client.undo_change("p1", heard)
        assert heard.words == UNDONE


async def test_a_client_that_waits_for_the_write_lock_gets_it(
    client: ProductClient, service: ProductService, request_: ApplyRequest
) -> None:
    got: list[bool] = []

    async def lock(progress: float, total: float | None, message: str | None) -> None:
        got.append(service.owner.lock.acquire(timeout=20))
        service.owner.lock.release()

    assert (await client.apply_change(request_, lock)).status == "applied"
    assert got and all(got)


async def test_a_client_that_never_takes_its_progress_holds_up_no_tool(
    client: ProductClient, request_: ApplyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LAST_WORDS", 0.1)

    async def deaf(progress: float, total: float | None, message: str | None) -> None:
        await asyncio.Event().wait()

    async def broken(progress: float, total: float | None, message: str | None) -> None:
        raise ValueError("no screen")

    made: list[Message] = [await client.apply_change(request_, deaf)]
    made.append(await client.undo_change("p1", broken))
    assert [getattr(m, "status", "") for m in made] == ["applied", "undone"]
