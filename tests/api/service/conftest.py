"""The service in this process, without a socket, or in one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import httpx
import pytest

from api.service.app import build_app
from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.service.served import Child, running
from tests.preforked import preforked

HOST = "http://127.0.0.1"


Serve = Callable[..., AbstractContextManager[tuple[Child, str]]]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serve homes in processes that need not import everything again."""
    with preforked(tmp_path_factory.mktemp("service"), "tests.api.service.served") as python:
        yield partial(running, python)


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
