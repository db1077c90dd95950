"""Drafts of descriptions over HTTP; the other routes of products are tested with their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from api.describing import Drafts
from api.service.service import Service
from graph.steward import Stewardship
from mcp_servers.product.client import ProductClient, connect
from mcp_servers.product.contract import ProductDescription
from mcp_servers.product.errors import ToolFailed
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.api.service.test_guard import problem_of
from tests.products import make_product


async def test_drafts_are_told_of_what_is_not_described(
    service: Service, http: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = make_product(tmp_path, service.settings.home, rows=200)
    with closing(ProductService(descriptor, ProductSettings())) as product:

        @asynccontextmanager
        async def opened(self: Stewardship, name: str) -> AsyncIterator[ProductClient]:
            async with connect(lambda: build_server(product)) as client:
                yield client

        monkeypatch.setattr(Stewardship, "product", opened)
        answer = await http.get("/v1/products/sales/drafts", params={"only": "sales.region"})
        found = Drafts.model_validate(answer.json())
        (draft,) = found.drafts
        assert (draft.table, draft.column, draft.words.by) == ("sales", "region", "template")
        assert (await http.get("/v1/products/other/drafts")).status_code == 404
        unknown = await http.get("/v1/products/sales/drafts", params={"only": "sales.nope"})
        assert (unknown.status_code, unknown.json()["title"]) == (404, "unknown_names")
        contract = Path(found.contract)
        described = ProductClient.describe_product

        async def broken_meanwhile(self: ProductClient) -> ProductDescription:
            answer = await described(self)
            contract.write_text("schema: [")
            return answer

        monkeypatch.setattr(ProductClient, "describe_product", broken_meanwhile)
        answer = await http.get("/v1/products/sales/drafts", params={"only": "sales.region"})
        assert (answer.status_code, answer.json()["title"]) == (409, "contract_invalid")
        assert str(contract) in answer.json()["detail"]


@pytest.mark.parametrize(
    ("code", "status"), [("database_locked", 503), ("database_unusable", 503), ("disk_full", 507)]
)
async def test_what_keeps_a_product_away_is_no_conflict(
    service: Service,
    http: httpx.AsyncClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    status: int,
) -> None:
    make_product(tmp_path, service.settings.home, rows=10)

    async def keeps_away(self: ProductClient) -> ProductDescription:
        raise ToolFailed(code, "Try again later.")

    monkeypatch.setattr(ProductClient, "describe_product", keeps_away)
    answer = await http.get("/v1/products/sales")
    assert problem_of(answer) == (status, code)
