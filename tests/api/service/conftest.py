"""The service in this process without a socket, a served one with a client, an issuer of tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from api.service.access import Access
from api.service.app import build_app
from api.service.keys import Keys
from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.service.issuer import Issuer, publishing

HOST = "http://127.0.0.1"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(home=tmp_path / "home", principal="ada")
    async with open_service(settings, ServiceSettings()) as opened:
        yield opened


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
        yield client


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Any) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("home")) as (_, where):
        yield where


@pytest.fixture
def client(url: str) -> LangGraphClient:
    return get_client(url=url, api_key=None)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def more() -> dict[str, Any]:
    """Settings beside the issuer's."""
    return {}


@pytest.fixture
def access(tmp_path: Path, issuer: Issuer, more: dict[str, Any]) -> Iterator[Access]:
    limits = ServiceSettings(**{**issuer.settings, **more})
    with closing(Keys(tmp_path / "keys.db")) as keys:
        yield Access.of("local", keys, limits)
