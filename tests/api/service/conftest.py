"""The service in this process, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.service.app import build_app
from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings

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
